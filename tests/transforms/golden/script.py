import numpy as np

# checkpointer: Online(snapshots=4), storage=None
# over all files
for name, (a, b) in {"x": (1, 2)}.items():
    total = a * b
print(total)

if __name__ == "__main__":
    from checkpointer import checkpointed as ck

    u = np.zeros(3)
    # refine
    while ck((error := abs(u).max()) < 1 or
             u[0] < 0, scheme=None): u += 0.5
    else:
        print("converged")

    def helper(v):
        for k in ck(range(3)):
            v = v * k
        return v

    print(helper(u))
