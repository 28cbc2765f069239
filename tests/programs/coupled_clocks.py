"""An event loop: oscillators that pulse, kept sorted in a heap of (time, number) pairs."""
import heapq

from checkpointer import checkpointed

CONTROLS = [1.0, 1.17, 1.31, 0.12]
LENGTH = "unknown"


def run(x, scheme):
    *periods, coupling = x
    agenda = [(p*0.5, i) for i, p in enumerate(periods)]
    heapq.heapify(agenda)
    phase_at = dict.fromkeys(range(len(periods)), 0.0)
    log, now = [], 0.0
    while checkpointed(agenda and len(log) < 12, scheme):
        now, who = heapq.heappop(agenda)
        log.append((now, who))
        phase_at[who] = now
        period = periods[who]
        for when, other in list(agenda):
            if other != who:
                agenda.remove((when, other))
                heapq.heappush(agenda, (when - coupling*(when - now)**2, other))
        heapq.heappush(agenda, (now + period, who))
    intervals = [b[0] - a[0] for a, b in zip(log, log[1:])]
    return sum(i*i for i in intervals) + now + sum(phase_at.values())
