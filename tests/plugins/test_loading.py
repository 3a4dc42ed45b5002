"""Loading one plugin at a time, with each way in which it can go wrong. Every distribution here is built, unpacked and found by its metadata."""

from __future__ import annotations

import sys

import pytest

from massgen_core.api import BackendSpec, PluginBroken, PluginConflict, PluginMissing, PluginRefused

GOOD = """
@attrs.frozen(kw_only=True)
class AcmeConfig:
    model: str = attrs.field(default="one", metadata={"help": "which model"})

@hookimpl
def massgen_backends():
    return [BackendSpec(name="acme", factory="massgen_backend_acme.impl:open_backend", config=AcmeConfig, summary="Acme's models")]
"""
SIMPLE = """
from massgen_core.api import *

@hookimpl
def massgen_backends():
    return [BackendSpec(name=name, factory="os:getcwd") for name in ("acme", __name__)]
"""
WHO = "backend.acme of massgen-backend-acme 1.0 "
REPORT = "; report it to its authors, or remove it: pip uninstall massgen-backend-acme"
HOOK = "hook massgen_backends of massgen_backend_acme.plugin "


def failure(site, kind=PluginBroken):
    """Return what using `backend.acme` raises, after checking that it can be told apart by data."""
    with pytest.raises(kind) as caught:
        site.plugins().factory("backend", "acme")
    assert (caught.value.kind, caught.value.name) == ("backend", "acme")
    return caught.value


def test_a_spec_costs_one_hook_module(acme):
    """Getting a spec imports the hook module and not the implementation; the factory imports that."""
    plugins = acme(GOOD).plugins()
    spec = plugins.get("backend", "acme")

    assert isinstance(spec, BackendSpec)
    assert (spec.name, spec.summary) == ("acme", "Acme's models")
    assert "massgen_backend_acme.impl" not in sys.modules

    assert plugins.factory("backend", "acme").__name__ == "open_backend"
    assert plugins.get("backend", "acme") is spec


def test_other_references_of_a_spec_resolve(acme):
    """A spec may name more than its factory; dots after the colon go into classes."""
    site = acme(GOOD, impl="def open_backend(config, context): ...\nclass Catalogue:\n    def models(self): ...\n")

    assert site.plugins().resolve("massgen_backend_acme.impl:Catalogue.models", kind="backend", name="acme").__name__ == "models"


@pytest.mark.parametrize("reference", ["os", "os:", ":getcwd", "os.path", "os:a b", "os;sys:path", "./file.py:x", ""])
def test_a_reference_is_a_module_and_an_attribute(acme, reference):
    """What is not of the form `module:attribute` imports nothing."""
    with pytest.raises(PluginBroken, match='a reference is written "module:attribute"'):
        acme(GOOD).plugins().resolve(reference, kind="backend", name="acme")


def test_nothing_installed_says_what_to_install(site):
    """Without any plugin, a known name comes with the command that installs it."""
    with pytest.raises(PluginMissing) as caught:
        site.plugins().get("backend", "local")

    assert str(caught.value) == "no installed plugin provides backend 'local' (installed: none); install it with: pip install massgen-backend-local"


def test_two_distributions_that_claim_one_name(site):
    """Using a contested name fails, names both distributions with their versions and says how to settle it; other names work."""
    site.install("acme-one", {"backend.acme": "acme_one", "backend.acme_one": "acme_one"}, {"acme_one.py": SIMPLE})
    site.install("acme-two", {"backend.acme": "acme_two"}, {"acme_two.py": SIMPLE}, version="2.1")
    error = failure(site, PluginConflict)

    assert str(error) == (
        "backend 'acme' is claimed by acme-one 1.0 and by acme-two 2.1; keep one: pip uninstall acme-two, or block one: MASSGEN_PLUGINS=-acme-two"
    )
    assert error.distributions == ("acme-one 1.0", "acme-two 2.1")
    assert site.plugins().get("backend", "acme_one").name == "acme_one"
    assert site.plugins().names("backend") == ("acme", "acme_one")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise BaseException", "BaseException"),
        ("def f(:\n", "SyntaxError: invalid syntax (plugin.py, line 4)"),
        ("class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad", "Bad"),
        ("raise ValueError('red \\x1b[31m alert')", "ValueError: red alert"),
    ],
)
def test_a_module_that_raises_on_import(acme, source, found):
    """Whatever an import raises becomes one error that names distribution, version and module, with the cause chained."""
    error = failure(acme(source))

    assert str(error) == f"{WHO}is broken: its hook module massgen_backend_acme.plugin raised {found} on import{REPORT}"
    assert error.__cause__ is not None
    assert error.distributions == ("massgen-backend-acme 1.0",)


def test_a_dependency_that_is_not_there(acme):
    """A missing module is most often a missing dependency: the advice is to install the plugin with what it needs."""
    error = failure(acme("import a_library_that_nobody_has"))

    assert "raised ModuleNotFoundError: No module named 'a_library_that_nobody_has' on import" in str(error)
    assert str(error).endswith("; install it again with all that it needs: pip install --force-reinstall massgen-backend-acme")


@pytest.mark.parametrize("source", ["raise KeyboardInterrupt", "@hookimpl\ndef massgen_backends():\n    raise KeyboardInterrupt"])
def test_a_person_can_still_stop_the_program(acme, source):
    """An interrupt while a plugin is loaded is the person's, not the plugin's failure."""
    with pytest.raises(KeyboardInterrupt):
        acme(source).plugins().get("backend", "acme")


@pytest.mark.parametrize("problem", ["RuntimeError('no')", "SystemExit('no')"])
def test_a_hook_that_raises(acme, problem):
    """What a hook raises is chained to an error that names the hook."""
    error = failure(acme(f"@hookimpl\ndef massgen_backends():\n    raise {problem}"))

    assert str(error) == f"{WHO}is broken: {HOOK}raised {problem.split('(')[0]}: no{REPORT}"
    assert type(error.__cause__).__name__ == problem.split("(")[0]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return None", "returned None"),
        ("return 7", "returned 7"),
        ("return 'acme'", "returned 'acme'"),
        ("return {'acme': 1}", "returned {'acme': 1}"),
        ("yield BackendSpec(name='acme', factory='os:getcwd')", "returned <generator object massgen_backends"),
        ("return [7]", "holds 7, which is no BackendSpec"),
        ("return [StrategySpec(name='acme', factory='os:getcwd')]", "holds StrategySpec(name='acme'"),
        ("return [BackendSpec(name=7, factory='os:getcwd')]", "holds a spec named 7; a name has letters, digits, '.', '-' and '_'"),
        ("return [BackendSpec(name='a b', factory='os:getcwd')]", "holds a spec named 'a b'"),
        ("return [BackendSpec(name='acme', factory='os:getcwd')] * 2", "holds 'acme' twice"),
        (
            "return [BackendSpec(name='acme', factory=print)]",
            "holds 'acme' with the factory <built-in function print>; a factory is written \"module:attribute\"",
        ),
        ("return [BackendSpec(name='acme', factory='os')]", "holds 'acme' with the factory 'os'"),
        ("return [BackendSpec(name='acme', factory='os:getcwd', summary=None)]", "holds 'acme' with the summary None"),
        (
            "return [BackendSpec(name='acme', factory='os:getcwd', config=dict)]",
            "holds 'acme' with the config <class 'dict'>; a config is a frozen attrs class or None",
        ),
        (
            "class Shy:\n        def __repr__(self):\n            raise ValueError\n    return [Shy()]",
            "holds a Shy whose repr fails, which is no BackendSpec",
        ),
    ],
)
def test_a_hook_that_returns_nonsense(acme, body, found):
    """The error names the hook, what was found in its result, and the rule."""
    error = str(failure(acme(f"@hookimpl\ndef massgen_backends():\n    {body}")))

    assert error.startswith(f"{WHO}is broken: {HOOK}{found}")
    assert error.endswith(f"; it must return a list of BackendSpec{REPORT}")


def test_a_field_that_this_kernel_does_not_know(acme):
    """A spec with an unknown field may be made for a newer kernel, and the advice says so."""
    error = failure(acme("@hookimpl\ndef massgen_backends():\n    return [BackendSpec(name='acme', factory='os:getcwd', colour='red')]"))

    assert f"{HOOK}raised TypeError: BackendSpec.__init__() got an unexpected keyword argument 'colour'" in str(error)
    assert str(error).endswith("; it may be made for a newer kernel: pip install --upgrade massgen-core")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (f"{GOOD}\n@hookimpl\ndef massgen_teleporters():\n    return []", "implements the hook massgen_teleporters"),
        ("from massgen_core.api import TeleporterSpec", "needs ImportError: cannot import name 'TeleporterSpec' from 'massgen_core.api'"),
    ],
)
def test_a_plugin_for_a_newer_kernel_is_refused_alone(acme, source, found):
    """An unknown hook, or an unknown name of the API, refuses that plugin and no other."""
    site = acme(source)
    site.install("other", {"backend.other": "other"}, {"other.py": SIMPLE})
    error = str(failure(site, PluginRefused))
    plugins = site.plugins()
    with pytest.raises(PluginRefused):
        plugins.get("backend", "acme")

    assert error.startswith(f"{WHO}needs a newer massgen-core than 0.1.0: it {found}")
    assert error.endswith(", which this one does not know; upgrade: pip install --upgrade massgen-core")
    assert plugins.get("backend", "other").name == "other"


def test_an_optional_hook_that_this_kernel_does_not_know(acme):
    """A plugin that marks a newer hook as optional works with older kernels too."""
    source = f"{GOOD}\n@hookimpl(optionalhook=True)\ndef massgen_teleporters():\n    return []"

    assert acme(source).plugins().get("backend", "acme").name == "acme"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@hookimpl\ndef massgen_backends(config):\n    return []", "massgen_backend_acme.plugin breaks a rule of hooks: PluginValidationError"),
        ("@hookimpl(wrapper=True)\ndef massgen_backends():\n    return (yield)", f"{HOOK}is a wrapper; a hook returns a list"),
        ("@hookimpl(hookwrapper=True)\ndef massgen_backends():\n    yield", f"{HOOK}is a wrapper; a hook returns a list"),
    ],
)
def test_hooks_take_nothing_and_wrap_nothing(acme, source, found):
    """A hook with arguments or a wrapper is refused when it is registered."""
    assert f"{WHO}is broken: {found}" in str(failure(acme(source)))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@hookimpl\ndef massgen_backends():\n    return [BackendSpec(name='acne', factory='os:getcwd')]", "yields acne"),
        ("@hookimpl\ndef massgen_backends():\n    return []", "yields nothing"),
        ("", "yields nothing"),
        ("def massgen_backends():\n    return []", "yields nothing (massgen_backends there lacks the @hookimpl marker)"),
    ],
)
def test_an_entry_name_that_its_hook_does_not_yield(acme, source, found):
    """What metadata promises and the hook does not keep is an error that shows both names."""
    assert str(failure(acme(source))) == (
        f"{WHO}is broken: its entry point promises 'backend.acme', but {HOOK}{found}; the two names must be the same{REPORT}"
    )


@pytest.mark.parametrize(
    ("factory", "impl", "found"),
    [
        ("massgen_backend_acme.impl:open_it", "", "does not resolve: AttributeError: module 'massgen_backend_acme.impl' has no attribute 'open_it'"),
        ("massgen_backend_acme.nowhere:open", "", "raised ModuleNotFoundError: No module named 'massgen_backend_acme.nowhere' on import"),
        ("massgen_backend_acme.impl:open", "raise SystemExit", "raised SystemExit on import"),
        ("massgen_backend_acme.impl:open", "open = 7", "is 7, which cannot be called"),
    ],
)
def test_a_factory_that_does_not_resolve(acme, factory, impl, found):
    """The spec can be had, and using its factory says what is wrong with it."""
    site = acme(f"@hookimpl\ndef massgen_backends():\n    return [BackendSpec(name='acme', factory={factory!r})]", impl=impl)

    assert site.plugins().get("backend", "acme").factory == factory
    assert str(failure(site)).startswith(f"{WHO}is broken: its factory {factory!r} {found}")


def test_an_entry_point_that_names_no_module(acme):
    """An entry point names a hook module; an attribute in it is a mistake."""
    site = acme(GOOD, points={"backend.acme": "massgen_backend_acme.plugin:massgen_backends"})

    assert "its entry point leads to 'massgen_backend_acme.plugin:massgen_backends'; an entry point of massgen.v1 names a module" in str(
        failure(site)
    )


@pytest.mark.parametrize(("group", "advice"), [("massgen.v2", "massgen-core"), ("massgen.v0", "acme")])
def test_a_plugin_for_another_plugin_api(site, group, advice):
    """Metadata tells: the plugin is not imported, and the message names both versions and what to upgrade."""
    site.install("acme", {"backend.acme": "acme_plugin"}, {"acme_plugin.py": "raise SystemExit('imported')"}, version="2.0", group=group)
    error = failure(site, PluginRefused)

    made = group.partition(".")[2]

    assert str(error) == (
        f"acme 2.0 is made for plugin API {made}, this kernel (massgen-core 0.1.0) speaks v1; upgrade: pip install --upgrade {advice}"
    )


def test_a_plugin_for_several_plugin_apis_is_used(site):
    """A distribution that serves this plugin API and another one is no problem."""
    points = "[massgen.v1]\nbackend.acme = acme_plugin\n[massgen.v2]\nbackend.acme = acme_newer\n"
    site.install("acme", files={"acme_plugin.py": SIMPLE}, metadata={"entry_points.txt": points})

    assert site.plugins().get("backend", "acme").name == "acme"


def test_all_or_nothing(acme):
    """When one hook of a module fails, nothing of the module can be had, and a second try says the same."""
    source = f"{GOOD}\n@hookimpl\ndef massgen_commands():\n    return [7]"
    plugins = acme(source, points={"backend.acme": "massgen_backend_acme.plugin", "command.acme": "massgen_backend_acme.plugin"}).plugins()
    for _ in range(2):
        with pytest.raises(PluginBroken, match=r"hook massgen_commands of massgen_backend_acme\.plugin holds 7, which is no CommandSpec"):
            plugins.get("backend", "acme")


def test_several_names_from_one_module(acme):
    """A module that provides several names, of several kinds, is asked once."""
    source = f"""
{GOOD}
calls = []
@hookimpl
def massgen_middlewares():
    calls.append(1)
    return [MiddlewareSpec(name=name, factory="os:getcwd", around="model") for name in ("slow", "fast")]
"""
    points = dict.fromkeys(("backend.acme", "middleware.slow", "middleware.fast"), "massgen_backend_acme.plugin")
    plugins = acme(source, points=points).plugins()
    specs = [plugins.get(*title.split(".")) for title in points]

    assert [spec.name for spec in specs] == ["acme", "slow", "fast"]
    assert sys.modules["massgen_backend_acme.plugin"].calls == [1]


def test_the_trace_shows_each_hook_call(acme):
    """MASSGEN_TRACE_PLUGINS=1 prints imports, hook calls and results to standard error, and nothing else changes."""
    done = acme(GOOD).python(
        "from massgen_core.plugins.manager import Plugins\nprint(Plugins.discover().factory('backend', 'acme').__name__)", MASSGEN_TRACE_PLUGINS="1"
    )
    lines = done.stderr.splitlines()

    assert done.stdout == "open_backend\n"
    assert all(line.startswith("massgen plugins: ") for line in lines)
    assert lines[0].startswith("massgen plugins: import massgen_backend_acme.plugin of massgen-backend-acme 1.0 took ")
    assert lines[1] == "massgen plugins: massgen_backends() of massgen-backend-acme 1.0 (massgen_backend_acme.plugin)"
    assert lines[2].startswith("massgen plugins: massgen_backends() returned [[BackendSpec(name='acme'")
    assert lines[3].startswith("massgen plugins: import massgen_backend_acme.impl of massgen-backend-acme 1.0 took ")
