"""Kicked rotors with noise from the standard library's random, plain Python floats throughout."""
import math
import random

from checkpointer import checkpointed

CONTROLS = [0.4, 1.1, 0.9, 0.2]   # two angles, the kick's strength, the noise


class Rotor:
    count = 0

    def __init__(self, theta):
        Rotor.count += 1
        self.theta = theta
        self.p = 0.0
        self.turns = 0

    def kick(self, K, noise):
        self.p += K*math.sin(self.theta) + noise*random.gauss(0.0, 1.0)
        self.theta += self.p
        while self.theta > math.pi:
            self.theta -= 2*math.pi
            self.turns += 1
        while self.theta < -math.pi:
            self.theta += 2*math.pi
            self.turns -= 1


def run(x, scheme):
    random.seed(11)
    first, second, K, noise = [float(v) for v in x]
    rotors = [Rotor(first), Rotor(second)]
    for kick in checkpointed(range(6), scheme):
        chosen = random.choice(rotors)
        chosen.kick(K, noise)
        for r in rotors:
            r.p *= 0.9
        if kick == 3:
            random.shuffle(rotors)
    return sum(r.p**2 + math.cos(r.theta)*(1 + 0.1*r.turns) for r in rotors)
