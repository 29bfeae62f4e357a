"""Tag Manager and Google Ads as strict as their references, for what a service asks of them.

Tag Manager (developers.google.com/tag-platform/tag-manager/api/reference/rest/v2): a workspace begins with what the
latest version holds, published or not. An update with the fingerprint of another state is refused. A version takes the
changes of its workspace, which is deleted with that, and conflicts with a later version that has changed the same.

Google Ads (developers.google.com/google-ads/api/reference/rpc): names of conversion actions are unique among those that
were not removed; an update changes what its mask names; what was removed is never changed again.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

Entity = dict[str, Any]
Content = dict[str, Entity]
"""What a workspace or a version holds, by kind and id: `tags/5`."""

Reply = tuple[int, dict[str, Any]]

ITEMS = {
    "accounts": ("account", "accountId"),
    "containers": ("container", "containerId"),
    "workspaces": ("workspace", "workspaceId"),
    "triggers": ("trigger", "triggerId"),
    "tags": ("tag", "tagId"),
    "versions": ("containerVersionHeader", "containerVersionId"),
}
"""By kind: what a list calls its items, and the items their ids."""

CONTAINER = re.compile(r"accounts/\d+/containers/\d+")


def refused(status: int, reason: str) -> Reply:
    return status, {"error": {"code": status, "message": reason, "errors": [{"reason": reason}]}}


@dataclass
class TagManager:
    """One account, `accounts/1`, with one container, `accounts/1/containers/2`."""

    entities: dict[str, Entity] = field(default_factory=dict)
    """By their paths."""
    contents: dict[str, Content] = field(default_factory=dict)
    """Of versions, and what workspaces began with, by their paths."""
    live: dict[str, str] = field(default_factory=dict)
    """The path of the version that the web site gets, by the container's."""
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(3))

    def __post_init__(self) -> None:
        self._put("accounts/1", {"name": "Acme"})
        self._put("accounts/1/containers/2", {"name": "Shop", "publicId": "GTM-2"})

    def published(self, kind: str, part_of_name: str) -> list[Entity]:
        """What web sites get of a kind such as `tags`, of any container."""
        found = [self.contents[version].items() for version in self.live.values()]
        return [
            entity
            for key, entity in itertools.chain.from_iterable(found)
            if key.startswith(f"{kind}/") and part_of_name in entity["name"]
        ]

    def answer(self, method: str, path: str, query: dict[str, str], body: Entity) -> Reply:
        parent, _, last = path.rpartition("/")
        if last == "versions:live":
            version = self.live.get(parent)
            return refused(404, "notFound") if version is None else (200, self.entities[version])
        target, _, action = path.partition(":")
        if action == "create_version":
            return self._create_version(target, body)
        if action == "publish":
            return self._publish(target)
        if last == "status":
            changes = [{"changeStatus": "updated"} for _ in self._changes(parent)]
            return (200, {"workspaceChange": changes}) if parent in self.entities else refused(404, "notFound")
        kind = last.replace("version_headers", "versions")
        if parent and parent not in self.entities and method in ("GET", "POST"):
            return refused(404, "notFound")
        if method == "POST":
            return self._create(parent, kind, body)
        if method == "GET":
            folder = f"{parent}/{kind}".strip("/")
            items = [each for each in self.entities.values() if each["path"].rpartition("/")[0] == folder]
            return 200, {ITEMS[kind][0]: items} if items else {}
        if path not in self.entities:
            return refused(404, "notFound")
        if method == "DELETE":
            self._delete(path)
            return 200, {}
        if query.get("fingerprint", self.entities[path]["fingerprint"]) != self.entities[path]["fingerprint"]:
            return refused(412, "conditionNotMet")
        if self._taken(path, body):
            return refused(400, "duplicateName")
        return 200, self._put(path, body)

    def _put(self, path: str, members: Entity) -> Entity:
        folder, _, number = path.rpartition("/")
        name_of_id = ITEMS[folder.rpartition("/")[2]][1]
        entity = {**members, "path": path, name_of_id: number, "fingerprint": str(next(self.numbers))}
        self.entities[path] = entity
        return entity

    def _taken(self, path: str, body: Entity) -> bool:
        folder = path.rpartition("/")[0]
        return any(
            each["name"] == body["name"] and each["path"] != path
            for each in self.entities.values()
            if each["path"].rpartition("/")[0] == folder
        )

    def _create(self, parent: str, kind: str, body: Entity) -> Reply:
        number = next(self.numbers)
        path = f"{parent}/{kind}/{number}"
        if self._taken(path, body):
            return refused(400, "duplicateName")
        entity = self._put(path, body | ({"publicId": f"GTM-{number}"} if kind == "containers" else {}))
        if kind == "workspaces":
            self.contents[path] = self._latest(parent)
            for key, each in self.contents[path].items():
                self.entities[f"{path}/{key}"] = {**each, "path": f"{path}/{key}"}
        return 200, entity

    def _latest(self, container: str) -> Content:
        versions = [path for path in self.entities if path.startswith(f"{container}/versions/")]
        latest = max(versions, key=lambda path: int(path.rpartition("/")[2]), default="")
        return self.contents.get(latest, {})

    def _changes(self, workspace: str) -> dict[str, Entity | None]:
        """What differs from what a workspace began with; None for what was deleted."""
        base = self.contents.get(workspace, {})
        prefix = f"{workspace}/"
        now = {path.removeprefix(prefix): each for path, each in self.entities.items() if path.startswith(prefix)}
        return {
            key: now.get(key)
            for key in {**base, **now}
            if now.get(key, {}).get("fingerprint") != base.get(key, {}).get("fingerprint")
        }

    def _create_version(self, workspace: str, body: Entity) -> Reply:
        if workspace not in self.entities:
            return refused(404, "notFound")
        changes = self._changes(workspace)
        if not changes:
            return refused(400, "badRequest")
        container = workspace.partition("/workspaces/")[0]
        base, content = self.contents[workspace], dict(self._latest(container))
        if any(content.get(key, {}).get("fingerprint") != base.get(key, {}).get("fingerprint") for key in changes):
            return 200, {"syncStatus": {"mergeConflict": True}}
        for key, entity in changes.items():
            content.pop(key, None)
            if entity is not None:
                content[key] = entity
        self._delete(workspace)
        path = f"{container}/versions/{next(self.numbers)}"
        self.contents[path] = content
        return 200, {"containerVersion": self._put(path, body)}

    def _publish(self, version: str) -> Reply:
        if version not in self.entities:
            return refused(404, "notFound")
        self.live[version.partition("/versions/")[0]] = version
        return 200, {"containerVersion": self.entities[version]}

    def _delete(self, path: str) -> None:
        for each in [each for each in self.entities if f"{each}/".startswith(f"{path}/")]:
            del self.entities[each]


@dataclass
class Ads:
    """The conversion actions of every customer."""

    actions: dict[str, Entity] = field(default_factory=dict)
    """By their resource names, also those that were removed."""
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(9_007_199_254_740_993))

    def of(self, part_of_name: str) -> list[Entity]:
        """Those that were not removed."""
        return [each for each in self.actions.values() if part_of_name in each["name"] and each["status"] != "REMOVED"]

    def answer(self, path: str, body: Entity) -> Reply:
        if path.endswith("/googleAds:search"):
            return self._search(body["query"])
        [operation] = body["operations"]
        customer = path.partition("/customers/")[2].partition("/")[0]
        return self._mutate(customer, operation)

    def _search(self, query: str) -> Reply:
        number = re.search(r"conversion_action\.id = (\d+)", query)
        pattern = re.search(r"conversion_action\.name (?:=|LIKE) '%?(.*?)%?'", query)
        found = [
            {"conversionAction": {**each, "tagSnippets": [snippet(name.rpartition("/")[2])]}}
            for name, each in self.actions.items()
            if each["status"] != "REMOVED"
            and (name.endswith(f"/{number[1]}") if number else pattern is not None and pattern[1] in each["name"])
        ]
        return 200, {"results": found} if found else {}

    def _mutate(self, customer: str, operation: Entity) -> Reply:
        update = operation.get("update", {})
        name = operation.get("remove") or update.get("resourceName")
        if name is not None and name not in self.actions:
            return ads_refused("mutateError", "RESOURCE_NOT_FOUND")
        if name is not None and self.actions[name]["status"] == "REMOVED":
            return ads_refused("contextError", "OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE")
        if "remove" in operation:
            self.actions[name]["status"] = "REMOVED"
            return 200, {"results": [{"resourceName": name}]}
        mask = operation.get("updateMask", "").split(",")
        changes = operation.get("create") or {member: update[member] for member in mask}
        if any(each["name"] == changes.get("name") and each["resourceName"] != name for each in self.of("")):
            return ads_refused("conversionActionError", "DUPLICATE_NAME")
        name = name or f"customers/{customer}/conversionActions/{next(self.numbers)}"
        self.actions[name] = {**self.actions.get(name, {}), **changes, "resourceName": name}
        return 200, {"results": [{"resourceName": name}]}


def snippet(number: str) -> dict[str, str]:
    event = f"gtag('event', 'conversion', {{'send_to': 'AW-1/{number}'}})"
    return {"type": "WEBPAGE", "pageFormat": "HTML", "globalSiteTag": "gtag()", "eventSnippet": event}


def ads_refused(kind: str, code: str) -> Reply:
    type_name = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
    details = [{"@type": type_name, "errors": [{"errorCode": {kind: code}, "message": code}]}]
    return 400, {"error": {"code": 400, "message": "Request failed.", "status": "FAILED", "details": details}}
