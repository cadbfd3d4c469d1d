"""The demo service on a port of this machine, and what tests do to it behind the browser's back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from callback_service.clock import utc_now
from callback_service.domain.contact import SafeContact, Window, parse_phone
from callback_service.domain.rota_changes import OpenShift, Override, OverrideKind
from callback_service.domain.staff import Role
from callback_service.extensions import reading, transaction
from callback_service.models.callback import CallbackRequest, Offer
from callback_service.models.staff import SignIn, Staff
from callback_service.services import demo, intake, promises, rota_changes
from callback_service.services.asks import Ask
from callback_service.services.rota import on_now
from callback_service.services.sign_in import HASHER
from callback_service.ticks import TICKS, run_tick
from tests.support.builders import PASSWORD
from tests.support.live import LiveServer
from tests.support.signing_in import next_code

MANAGER = demo.email_of(demo.MANAGERS[0][0])
ADMINISTRATOR = demo.email_of(demo.ADMINISTRATOR)
SAFEGUARDING_LEAD = demo.email_of(demo.SAFEGUARDING_LEAD)
A_TEST_RUN = timedelta(hours=3)


def seed(app: Flask) -> None:
    """Put in the demo's people and rota; they all sign in with PASSWORD."""
    now, tz = utc_now(), app.config["SETTINGS"].service_time_zone
    with app.app_context(), transaction() as session:
        demo.seed_demo(session, now=now, password_hash=HASHER.hash(PASSWORD))
        _let_them_stay(session, now=now, tz=tz)


def _let_them_stay(session: Session, *, now: datetime, tz: tzinfo) -> None:
    """Whose shift ends soon works on, or the tests of that half hour would find no offers."""
    staying = [shift for shift in on_now(session, now=now, tz=tz) if shift.end < now + A_TEST_RUN]
    for shift in staying:
        assert shift.person is not None
        longer = Override(OverrideKind.ADD, shift.person.id, shift.end, now + A_TEST_RUN)
        rota_changes.make_change(session, longer, actor_id=shift.person.id, now=now, tz=tz)


@dataclass(frozen=True)
class Service:
    """A running service with the demo's people and rota."""

    server: LiveServer

    @property
    def app(self) -> Flask:
        """The application, in this process."""
        return self.server.app

    def url(self, path: str) -> str:
        """The full address of ``path``."""
        return self.server.url + path

    def code_of(self, email: str) -> str:
        """What the app of an account shows now."""
        with self.app.app_context():
            return next_code(email)

    def forget_freshness(self) -> None:
        """As if everybody's last second step were long ago."""
        with self.app.app_context(), transaction() as session:
            session.execute(update(SignIn).values(fresh_at=None))

    def tick(self) -> None:
        """Run every tick of the scheduler once."""
        for tick in TICKS:
            assert run_tick(self.app, tick), tick.name

    def counsellor_on_shift(self) -> str:
        """The e-mail address of a counsellor who works now: one with an offer, if there is one."""
        with self.app.app_context(), reading() as session:
            tz = self.app.config["SETTINGS"].service_time_zone
            on_shift = [s.person.id for s in on_now(session, now=utc_now(), tz=tz) if s.person]
            offered = session.scalars(select(Offer.counsellor_id).where(Offer.ended_at.is_(None)))
            chosen = next(iter(offered), on_shift[0])
            return session.scalars(select(Staff.email).where(Staff.id == chosen)).one()

    def counsellor_off_shift(self) -> str:
        """The e-mail address of a counsellor who does not work now."""
        with self.app.app_context(), reading() as session:
            tz = self.app.config["SETTINGS"].service_time_zone
            on_shift = {s.person.id for s in on_now(session, now=utc_now(), tz=tz) if s.person}
            statement = select(Staff.email).where(
                Staff.role == Role.COUNSELLOR, Staff.id.not_in(on_shift)
            )
            return session.scalars(statement.limit(1)).one()

    def another_makes_an_open_shift(self) -> None:
        """The second of the demo's managers makes an open shift for tomorrow."""
        with self.app.app_context(), transaction() as session:
            tz, start = self.app.config["SETTINGS"].service_time_zone, utc_now() + timedelta(days=1)
            email = demo.email_of(demo.MANAGERS[1][0])
            actor_id = session.scalars(select(Staff.id).where(Staff.email == email)).one()
            shift = OpenShift(start, start + timedelta(hours=2))
            rota_changes.make_change(session, shift, actor_id=actor_id, now=utc_now(), tz=tz)

    def take_request(
        self,
        phone: str = "07700 900982",
        *,
        name: str | None = "Morgan",
        note: str | None = None,
        window: Window | None = None,
        may_text: bool = True,
        at: datetime | None = None,
    ) -> str:
        """Somebody asks for a call (at another time than now, if ``at`` says so); their key."""
        ask = Ask(
            key=intake.new_key(),
            phone=parse_phone(phone, allow_drama=True),
            name=name,
            window=window,
            safe_contact=SafeContact(may_text=may_text),
            note=note,
            consent_version="2026-11",
        )
        tz = self.app.config["SETTINGS"].service_time_zone
        with self.app.app_context(), transaction() as session:
            return intake.take_request(session, ask, now=at or utc_now(), tz=tz)

    def window_tomorrow(self) -> Window:
        """A window the form offers that starts a day from now or later."""
        now, tz = utc_now(), self.app.config["SETTINGS"].service_time_zone
        with self.app.app_context(), reading() as session:
            offered = promises.windows_with_room(session, now=now, tz=tz)
        return next(window for window in offered if window.start >= now + timedelta(days=1))

    def requests(self) -> list[CallbackRequest]:
        """Every request, oldest first, to look at."""
        with self.app.app_context(), reading() as session:
            found = list(session.scalars(select(CallbackRequest).order_by(CallbackRequest.id)))
            session.expunge_all()
            return found
