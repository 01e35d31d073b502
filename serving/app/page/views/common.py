"""What several views need: the visitor's marks, a list, the form."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import Request

from serving.app.errors import BadRequestError, NotFoundError
from serving.app.interfaces import Services, services
from serving.app.page import visitor
from serving.app.page.visitor import Mark
from serving.app.page.wishes import Form, form, wishes
from serving.app.results import Recommendations, Wishes

# Fields of the form whose values are numbers.
_OF_ANY_VERSION = ("min.", "max.", "diversity")


@dataclasses.dataclass(frozen=True)
class Visit:
    """A request of somebody.

    Attributes:
      request: HTTP.
      services: of this process.
      person: their id; None before they did anything.
      marks: their last word by item, oldest first.
    """

    request: Request
    services: Services
    person: str | None
    marks: dict[str, Mark]

    def form(self) -> Form:
        given = visitor.read_json(self.request, visitor.WISHES)
        return form(self.services.versions.current(), given)

    async def list(self, made: Form, k: int) -> Recommendations:
        """The list for this person, or for somebody without a history.

        The version that answers may not be the one whose form it is, in an experiment or as one follows the
        other: what its catalogue lacks is left out, and the list says so.
        """
        try:
            return await self._answered(wishes(made, k))
        except BadRequestError as refused:
            common = {name: value for name, value in made.chosen.items() if name.startswith(_OF_ANY_VERSION)}
            answer = await self._answered(wishes(dataclasses.replace(made, chosen=common), k))
            words = f"Shown without choices and tastes: {refused.detail}."
            return answer.model_copy(update={"reason": answer.reason or words})

    async def _answered(self, asked: Wishes) -> Recommendations:
        if self.person:
            return await self.services.recommendations.for_person(self.person, asked)
        return await self.services.recommendations.for_history([], asked)

    @property
    def shown(self) -> dict[str, Any]:
        """What the templates of cards read."""
        scale = self.services.versions.current().scale
        liked = [mark for mark in self.marks.values() if visitor.positive(mark, scale)]
        return {"marks": self.marks, "liked": liked[::-1]}


async def visit(request: Request) -> Visit:
    """Who asks. A person who was erased, or of another database, is nobody again."""
    used = services(request)
    used.versions.current()  # without a model there is nothing to show
    person = visitor.person(request)
    if person:
        try:
            return Visit(request, used, person, visitor.marks(await used.people.history(person)))
        except NotFoundError:
            pass
    return Visit(request, used, None, {})
