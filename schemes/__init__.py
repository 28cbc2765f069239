"""Checkpointing schemes: a number of steps in, a stream of actions out."""

from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.schemes.auto import Auto, AutoSchedule
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import advances
from checkpointer.schemes.choice import Choice
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.disk_revolve import DiskRevolve
from checkpointer.schemes.foreign import FromCheckpointSchedules
from checkpointer.schemes.hrevolve import HRevolve, Level
from checkpointer.schemes.measurement import Measurement
from checkpointer.schemes.mixed import Mixed
from checkpointer.schemes.multistage import Multistage
from checkpointer.schemes.online import Online
from checkpointer.schemes.periodic import Periodic
from checkpointer.schemes.periodic_disk_revolve import PeriodicDiskRevolve
from checkpointer.schemes.placed import PlacedSchedule
from checkpointer.schemes.revolve import Revolve
from checkpointer.schemes.simulator import predict, simulate
from checkpointer.schemes.store_all import StoreAll
from checkpointer.schemes.two_level import TwoLevel

SCHEMES: dict[str, type[Scheme]] = {
    scheme.__name__: scheme
    for scheme in (
        Auto,
        Revolve,
        Online,
        Periodic,
        TwoLevel,
        Multistage,
        DiskRevolve,
        PeriodicDiskRevolve,
        HRevolve,
        Mixed,
        StoreAll,
    )
}
"""The schemes by the name under which a marker calls them."""

__all__ = [
    "SCHEMES",
    "Action",
    "Advance",
    "Auto",
    "AutoSchedule",
    "Choice",
    "Cost",
    "Discard",
    "DiskRevolve",
    "FromCheckpointSchedules",
    "HRevolve",
    "Level",
    "Measurement",
    "Mixed",
    "Multistage",
    "Online",
    "Periodic",
    "PeriodicDiskRevolve",
    "PlacedSchedule",
    "Record",
    "Restore",
    "Reverse",
    "Revolve",
    "Schedule",
    "Scheme",
    "Snapshot",
    "StoreAll",
    "TwoLevel",
    "advances",
    "predict",
    "simulate",
]
