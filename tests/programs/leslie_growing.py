"""An age-structured population whose vector gets one entry longer every year."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.2, 0.9, 0.8, 0.35])  # fecundity, survival, start, crowding

def run(x, scheme):
    fecundity, survival, start, crowding = x
    ages = np.array([start])
    totals = []
    oldest = None
    deaths = np.zeros(0)
    for year in checkpointed(range(9), scheme):
        births = fecundity*np.sum(ages[1:4]) + 0.5*ages[0]
        s = survival/(1 + crowding*np.sum(ages))
        deaths = np.append(deaths, np.sum((1 - s)*ages))
        ages = np.concatenate(([births], s*ages))
        if len(ages) > 6:
            oldest, ages = ages[-1], np.delete(ages, -1)
        totals.append(ages.sum())
    if oldest is None:
        raise ValueError
    return totals[-1] + oldest*10 + np.max(totals) + deaths.dot(np.arange(len(deaths)))/10
