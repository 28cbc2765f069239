"""A food web whose species are the keys of a dict; everything that happened is kept in lists."""
from checkpointer import checkpointed

CONTROLS = [1.1, 0.4, 0.4, 0.1, 10.0, 5.0, 0.02]


def derivatives(pop, rates, t=0.0):
    return {
        "hare": pop["hare"]*(rates["birth"] - rates["hunt"]*pop["lynx"]) - rates["crowd"]*pop["hare"]**2,
        "lynx": pop["lynx"]*(rates["growth"]*rates["hunt"]*pop["hare"] - rates["death"]),
    }


def heun(pop, rates, dt):
    k1 = derivatives(pop, rates)
    guess = {s: n + dt*k1[s] for s, n in pop.items()}
    k2 = derivatives(guess, rates)
    for s in pop:
        pop[s] += 0.5*dt*(k1[s] + k2[s])


def run(x, scheme):
    names = ("birth", "hunt", "death", "growth")
    rates = dict(zip(names, x))
    rates.update(crowd=x[6])
    pop = {"hare": x[4], "lynx": x[5]}
    history = {s: [n] for s, n in pop.items()}
    extremes = {}
    for month in checkpointed(range(12), scheme):
        heun(pop, rates, 0.05)
        if month == 5:
            pop["fox"] = 0.1*pop["lynx"]        # immigration
            history["fox"] = []
            derivatives_of_fox = -0.1
        if "fox" in pop:
            pop["lynx"] -= 0.01*pop["fox"]
            saved = pop.pop("fox")
            history["fox"].append(saved*(1 + derivatives_of_fox))
        for s, n in pop.items():
            history[s].append(n)
            extremes[s] = max(extremes.get(s, 0.0), n)
    return history["hare"][7] + history["lynx"][-1]**2 + history["fox"][0] + sum(extremes.values())
