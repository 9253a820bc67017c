"""Who there is, what is synced of whose Drive, and as whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector_pipelines.testing.fake_drive import RemoteFakeDrive

__all__ = ["ADA", "BEN", "CEM", "DORA", "EVE", "Layout", "Scope", "laid_out"]

ADA, BEN, CEM, DORA, EVE = (f"{name}@example.com" for name in ("ada", "ben", "cem", "dora", "eve"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an endpoint syncs.

    Attributes:
        readers: As whom, by address; of a download, it is the reader that tells by which endpoint it was made.
        settings: Of the endpoint, without the address of the API.
        account: Name of the service account.
    """

    slug: str
    readers: Sequence[str]
    settings: Mapping[str, Any]
    account: str = "robot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What stays for good, with the key files of the service accounts by name.

    Attributes:
        roots: Ids of the My Drives by their owner.
        plans: Of the folder that is synced; it lies in `office`.
        team: Of the shared drive that is synced by itself.
    """

    robot: str
    crane: str
    keys: Mapping[str, Mapping[str, Any]]
    roots: Mapping[str, str]
    office: str
    plans: str
    team: str
    scopes: Sequence[Scope]

    @property
    def fixed(self) -> frozenset[str]:
        """What nobody throws away or renames."""
        return frozenset({self.office, self.plans, self.team, *self.roots.values()})


def laid_out(drive: RemoteFakeDrive) -> Layout:
    """A Drive with people, a folder and a shared drive."""
    world = drive.world
    roots = {person: world.add_user(person) for person in (ADA, BEN, CEM, DORA, EVE)}
    keys = {name: drive.service_account(name=name, delegation=["drive.readonly"]) for name in ("robot", "crane")}
    robot, crane = (str(keys[name]["client_email"]) for name in ("robot", "crane"))
    office = world.create_folder("Office", parent=roots[ADA])
    plans = world.create_folder("Plans", parent=office)
    # Permissions are told to who may write.
    world.share(plans, "user", "writer", robot)
    team = world.add_drive("Team", {DORA: "organizer", crane: "fileOrganizer", ADA: "writer"})
    scopes = [
        Scope(slug="plans", readers=[robot], settings={"folder": plans}),
        Scope(slug="team", readers=[crane], settings={"shared_drive": "Team"}, account="crane"),
        Scope(slug="drives", readers=[DORA], settings={"all_shared_drives": True, "users": [DORA]}),
        Scope(slug="mine", readers=[ADA, BEN], settings={"my_drive": True, "users": [ADA, BEN]}),
        Scope(slug="given", readers=[CEM], settings={"shared_with_me": True, "users": [CEM]}),
    ]
    return Layout(robot=robot, crane=crane, keys=keys, roots=roots, office=office, plans=plans, team=team, scopes=scopes)
