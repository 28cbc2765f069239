from checkpointer import Revolve, checkpointed


def search(data, limit):
    for i, row in checkpointed(enumerate(data), Revolve(snapshots=3)):
        if row is None:
            continue
        for x in row:
            if x < 0:
                break
            if x == limit:
                return i, x
        else:
            continue
        try:
            if row[0] > limit:
                break
        finally:
            seen = i
    else:
        # nothing found
        return None
    return seen


def only_else(n):
    while checkpointed(n > 0, Revolve(snapshots=3)):
        n -= 1
        if n == 7: break
    else:  # reached zero
        n = -1

    return n
