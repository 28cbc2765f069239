"""Checkpointing schemes: a number of steps in, a stream of actions out."""

from typing import TYPE_CHECKING

from checkpointer.lazy import on_demand

if TYPE_CHECKING:  # for those who read; for those who run, the table below
    from checkpointer.schemes.actions import Action as Action
    from checkpointer.schemes.actions import Advance as Advance
    from checkpointer.schemes.actions import Discard as Discard
    from checkpointer.schemes.actions import Record as Record
    from checkpointer.schemes.actions import Restore as Restore
    from checkpointer.schemes.actions import Reverse as Reverse
    from checkpointer.schemes.actions import Snapshot as Snapshot
    from checkpointer.schemes.auto import Auto as Auto
    from checkpointer.schemes.auto import AutoSchedule as AutoSchedule
    from checkpointer.schemes.base import Schedule as Schedule
    from checkpointer.schemes.base import Scheme as Scheme
    from checkpointer.schemes.binomial import advances as advances
    from checkpointer.schemes.catalogue import SCHEMES as SCHEMES
    from checkpointer.schemes.choice import Choice as Choice
    from checkpointer.schemes.cost import Cost as Cost
    from checkpointer.schemes.disk_revolve import DiskRevolve as DiskRevolve
    from checkpointer.schemes.foreign import FromCheckpointSchedules as FromCheckpointSchedules
    from checkpointer.schemes.hrevolve import HRevolve as HRevolve
    from checkpointer.schemes.hrevolve import Level as Level
    from checkpointer.schemes.measurement import Measurement as Measurement
    from checkpointer.schemes.mixed import Mixed as Mixed
    from checkpointer.schemes.multistage import Multistage as Multistage
    from checkpointer.schemes.online import Online as Online
    from checkpointer.schemes.periodic import Periodic as Periodic
    from checkpointer.schemes.periodic_disk_revolve import PeriodicDiskRevolve as PeriodicDiskRevolve
    from checkpointer.schemes.placed import PlacedSchedule as PlacedSchedule
    from checkpointer.schemes.revolve import Revolve as Revolve
    from checkpointer.schemes.simulator import predict as predict
    from checkpointer.schemes.simulator import simulate as simulate
    from checkpointer.schemes.store_all import StoreAll as StoreAll
    from checkpointer.schemes.two_level import TwoLevel as TwoLevel
else:
    __getattr__, __dir__, __all__ = on_demand(
        __name__,
        {
            "actions": "Action Advance Discard Record Restore Reverse Snapshot",
            "auto": "Auto AutoSchedule",
            "base": "Schedule Scheme",
            "binomial": "advances",
            "catalogue": "SCHEMES",
            "choice": "Choice",
            "cost": "Cost",
            "disk_revolve": "DiskRevolve",
            "foreign": "FromCheckpointSchedules",
            "hrevolve": "HRevolve Level",
            "measurement": "Measurement",
            "mixed": "Mixed",
            "multistage": "Multistage",
            "online": "Online",
            "periodic": "Periodic",
            "periodic_disk_revolve": "PeriodicDiskRevolve",
            "placed": "PlacedSchedule",
            "revolve": "Revolve",
            "simulator": "predict simulate",
            "store_all": "StoreAll",
            "two_level": "TwoLevel",
        },
    )
