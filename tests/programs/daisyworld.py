"""Daisyworld with module-level constants, clamps by min and max, and an inner relaxation with a fixed point."""
from checkpointer import checkpointed

CONTROLS = [0.25, 0.75, 0.3, 0.32]   # two albedos, a death rate, a starting cover

SIGMA = 5.67e-8
FLUX = 917.0
Q = 20.0
S = dict(min=0.7, max=1.1)
luminosity = S["min"]


def growth(temp):
    """Parabolic, zero outside of 5 to 40 degrees."""
    return max(0.0, 1 - 0.003265*(22.5 - temp)**2)


def temperatures(albedos, cover, planet_albedo):
    T = (FLUX*luminosity*(1 - planet_albedo)/SIGMA)**0.25 - 273.15
    return [T + Q*(planet_albedo - a) for a in albedos], T


def run(x, scheme):
    global luminosity
    albedos = tuple(x[:2])
    death = x[2]
    cover = [x[3], 0.8*x[3]]
    climate = []
    for year in checkpointed(range(10), scheme):
        luminosity = S["min"] + (S["max"] - S["min"])*year/9
        for _ in range(3):
            bare = 1.0 - sum(cover)
            albedo = 0.5*bare + sum(a*c for a, c in zip(albedos, cover))
            local, T = temperatures(albedos, cover, albedo)
            for i, temp in enumerate(local):
                cover[i] += 0.2*cover[i]*(bare*growth(temp) - death)
                cover[i] = max(cover[i], 0.01) if cover[i] < 0.9 else 0.9
        climate.append((year, T, *cover))
    *_, last = climate
    return last[1]/10 + 10*cover[0]*cover[1] + sum(c[2] for c in climate)
