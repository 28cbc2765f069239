"""A catchment model: snow, soil and two reservoirs, a dict of parameters, one pass over days of weather."""
from checkpointer import checkpointed

CONTROLS = [0.5, 3.0, 1.2, 0.3, 0.1, 2.0]

precip = [5.0, 0.0, 12.0, 3.0, 0.0, 8.0, 20.0, 0.0, 0.0, 1.0, 6.0]
temp = [-3.0, -1.0, 0.3, 2.0, 5.0, 1.0, 4.0, 6.0, 8.0, -2.0, 3.0]


def run(x, scheme):
    par = dict(zip(("TT", "CFMAX", "BETA", "K1", "K2", "PERC"), x))
    store = {"snow": 4.0, "water": 0.0, "soil": 30.0, "upper": 1.0, "lower": 10.0}
    FC = 50.0
    discharge = []
    for day, (P, T) in checkpointed(enumerate(zip(precip, temp)), scheme):
        if T < par["TT"]:
            store["snow"] += P
            infiltration = 0.0
        elif store["snow"] > 0:
            melt = min(store["snow"], par["CFMAX"]*(T - par["TT"]))
            store["snow"] -= melt
            store["water"] += melt + P
            hold = 0.1*store["snow"]
            infiltration = max(0, store["water"] - hold)
            store["water"] -= infiltration
        else:
            infiltration = P + store.pop("water")
            store["water"] = 0
        wet = (store["soil"]/FC)**par["BETA"]
        recharge = infiltration*wet
        store["soil"] += infiltration - recharge
        evap = max(0.0, 0.2*T)*store["soil"]/FC
        store["soil"] -= evap
        store["upper"] += recharge
        perc = min(par["PERC"], store["upper"])
        store["upper"] -= perc
        store["lower"] += perc
        q1, q2 = par["K1"]*store["upper"], par["K2"]*store["lower"]
        store["upper"] -= q1
        store["lower"] -= q2
        discharge += [q1 + q2]
    observed = [1.0 + 0.3*d for d in range(len(discharge))]
    return sum((q - o)**2 for q, o in zip(discharge, observed))/len(observed)
