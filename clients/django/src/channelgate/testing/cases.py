"""`class OrderSockets(WithGate, TestCase):` has a node in `self.gate`, one for the class."""

from pathlib import Path
from typing import Any, ClassVar

from channelgate.testing.gate import Gate


class WithGate:
    """For a test case of Django, before it in the list of bases."""

    gate: ClassVar[Gate]
    #: Another file than the project's `channelgate.toml`.
    gate_config: ClassVar[str | Path | None] = None

    @classmethod
    def setUpClass(cls) -> None:
        """Starts the node."""
        super().setUpClass()  # type: ignore[misc]
        cls.gate = Gate(cls.gate_config).start()
        cls.addClassCleanup(cls.gate.stop)  # type: ignore[attr-defined]

    def run(self, *args: Any, **options: Any) -> Any:
        """A test, whatever its `setUp` does."""
        with self.gate.test():
            return super().run(*args, **options)  # type: ignore[misc]
