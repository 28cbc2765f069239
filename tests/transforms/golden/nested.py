from checkpointer import Revolve, checkpointed


def run(n, item):
    for i in checkpointed(range(n), Revolve(snapshots=2)):
        row = 0
        for j in checkpointed(range(i), Revolve(snapshots=2)):
            row += j
            entry = (i, j)
            if row > 9:
                return entry
            if row > 8:
                break
        else:
            continue
        last = row
        if entry == item:
            break
    return last
