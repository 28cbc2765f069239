from checkpointer import Revolve, checkpointed


def outer(n):
    count = 0

    def observe():
        return x, last

    def inner(x0):
        nonlocal count
        x = x0
        watchers = []

        def look():
            return x, last

        for i in checkpointed(range(n), Revolve(snapshots=2)):
            count += 1
            last = i
            x = x * last
            scaled = 2 * x
            watchers.append(lambda: scaled)
            global tally
            tally = [j * i for j in range(i)]
        return look(), watchers

    return inner(1), count
