"""A change that people approved becomes its agent's write: judged by today's policy, with what people signed in it."""

from __future__ import annotations

from collections.abc import Sequence

from githarness.errors import Conflict, Denied, NeedsApproval, StaleWrite
from githarness.git.objects import FILE, Entry, PathChange, raw
from githarness.policy import approval
from githarness.policy.approval import Matter, Signed
from githarness.policy.model import Approvers, Human
from githarness.work import judge_approval, proposed
from githarness.work.admit import Admission
from githarness.work.asks import ApprovedAsk, Landed


class Approved(Admission):
    """Raises Conflict where a statement was used, StaleWrite where a path changed, NeedsApproval where the statements
    do not suffice (any more)."""

    def judge(self) -> None:
        ask = self.ask
        assert isinstance(ask, ApprovedAsk)
        self.root = self.scene.root
        statements = [approval.parse(data, file) for file, data in ask.statements]
        if used := [one.statement.id for one in statements if one.statement.id in self.governance.approvals]:
            raise Conflict(f"approval '{used[0]}' was used already", fix="githarness log -n 5")
        for change in ask.changes:
            self._take(change)
        for action, path in ask.asked:
            self._decide(action, path)
        self.renames = list(ask.renames)
        if approvers := proposed.approvers(self):
            self._require(statements, approvers)
        for one in statements:
            self._bring(one)

    def _take(self, change: PathChange) -> None:
        was = self._at(change.path)
        if was != change.old:
            raise StaleWrite(f"'{change.path}' changed since the change was proposed", fix="githarness proposals",
                             details={"path": change.path, "current": was.oid if was else None})
        self._has(change)
        self.learned[change.path] = change.new.oid if change.new else None

    def _has(self, change: PathChange) -> None:
        path, old, new = change.path, change.old, change.new
        self.old[path], self.changed[path] = old, new
        self.landed[path] = Landed(path, new.oid if new else None, old.oid if old else None)

    def _require(self, statements: list[Signed], approvers: Approvers) -> None:
        governance, ask = self.governance, self.ask
        assert isinstance(ask, ApprovedAsk)
        matter = Matter(self.agent.name, governance.config.ref, governance.digest, judge_approval.bounds(ask.changes),
                        self.chain, self.book.now)
        found = [judge_approval.standing(governance, one, matter) for one in statements]
        people = [one for one in found if isinstance(one, Human)]
        if len(people) < len(found) or not approval.enough(people, approvers):
            why = next((one for one in found if not isinstance(one, Human)), "")
            raise NeedsApproval(f"it takes {approvers.count} of role {approvers.role} or above" + (
                f"; of what was signed {why}" if why else ""), fix="githarness proposals")
        if other := next((one.path for one in ask.changes if not self._was_asked(one, ask.asked)), None):
            raise Denied(f"the held change does more to '{other}' than was asked for", details={"rule": "approval"})

    def _was_asked(self, change: PathChange, asked: Sequence[tuple[str, str]]) -> bool:
        """Who has the agent's key writes held changes as they like: what was asked is what was done, or nothing."""
        actions = {action for action, path in asked if path == change.path}
        if change.new is None:
            return not actions.isdisjoint(("delete", "rename"))
        if actions == {"append"} and change.old:
            before, after = self.scene.blob(change.old.oid), self.scene.blob(change.new.oid)
            return change.old.mode == change.new.mode and after.startswith(before)
        return not actions.isdisjoint(("write", "append", "rename"))

    def _bring(self, one: Signed) -> None:
        self.approvals.append(f"{one.statement.id} by {one.statement.approver}")
        blob = raw("blob", one.data)
        self.blobs.append(blob)
        self.scene.fresh[blob.oid] = blob.data
        self._has(PathChange(one.statement.file, None, Entry(FILE, blob.oid)))


class Again(Approved):
    """The same on what is there now, to be proposed anew: nothing of it lands. Raises Conflict where it cannot be
    merged, or where nobody has to approve it any more."""

    def judge(self) -> None:
        super().judge()
        if proposed.approvers(self) is None:
            raise Conflict("the policy allows the change without approval now",
                           fix="let the agent repeat it, and githarness held drop the old one")

    def _take(self, change: PathChange) -> None:
        was, new = self._at(change.path), change.new
        if was != change.old and was and new and change.old:
            merged = self._merge(change.path, change.old.oid, was, self.scene.blob(new.oid))
            self._put(change.path, was, raw("blob", merged), new.mode, merged=True)
        else:
            super()._take(change)

    def _require(self, statements: list[Signed], approvers: Approvers) -> None:
        """Nothing yet: it is about to be asked for."""
