"""The schemes that a marker may name."""

from checkpointer.schemes.auto import Auto
from checkpointer.schemes.base import Scheme
from checkpointer.schemes.disk_revolve import DiskRevolve
from checkpointer.schemes.hrevolve import HRevolve
from checkpointer.schemes.mixed import Mixed
from checkpointer.schemes.multistage import Multistage
from checkpointer.schemes.online import Online
from checkpointer.schemes.periodic import Periodic
from checkpointer.schemes.periodic_disk_revolve import PeriodicDiskRevolve
from checkpointer.schemes.revolve import Revolve
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
