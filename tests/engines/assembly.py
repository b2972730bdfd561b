"""The engines, and how a server is made of Maven artifacts.

Maven Central has the vendors' server tarballs for few versions, but ``*-main`` for nearly all. A server is no more
than that jar, its runtime dependencies (in the versions that the vendor's root pom manages), plugins, and a main class.
Only the plugins that the trials need are kept. What was assembled stays under ``$ENGINES_HOME`` for the next run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from exporter.dialect import PRESTODB, PRESTOSQL, TRINO, Dialect
from tests.engines import EngineError

_DEPENDENCY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>assembly</artifactId><version>1</version><packaging>pom</packaging>
  <dependencyManagement><dependencies><dependency>
    <groupId>{bom[0]}</groupId><artifactId>{bom[1]}</artifactId><version>{bom[2]}</version>
    <type>pom</type><scope>import</scope>
  </dependency></dependencies></dependencyManagement>
  <dependencies><dependency>
    <groupId>{jar[0]}</groupId><artifactId>{jar[1]}</artifactId><version>{jar[2]}</version>
  </dependency></dependencies>
</project>
"""
_STARTER = "public class Start {{ public static void main(String[] args) throws Exception {{ {statement}; }} }}\n"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin: a zip of jars, or (with a class) a plain jar that lacks the file which names its class."""

    artifact: str
    plugin_class: str = ""
    extra: str = ""
    """A jar that the plugin expects beside it, because the server no longer has its packages."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One version of one engine: what it is made of and how it is started."""

    name: str
    dialect: Dialect
    version: str
    java: int
    server: str
    """A vendor's tarball (``group:artifact:version:tar.gz``), or the jar that the server's classes are in."""
    bom: str = ""
    """The vendor's root pom. Without it Maven picks other versions of libraries, and the server does not start."""
    main: str = "Start"
    start: str = ""
    """The Java statement that starts a server without a main class of its own."""
    plugins: tuple[tuple[str, Plugin], ...] = ()
    kept: tuple[str, ...] = ()
    """The plugins of the tarball that are kept."""
    jvm: tuple[str, ...] = ()

    @property
    def has_resource_groups(self) -> bool:
        """True if there is a plugin for resource groups that works in this server."""
        return "resource-group-managers" in (*dict(self.plugins), *self.kept)


# java.lang: Guice's class generator. java.nio: airlift's Zstandard, without which planning fails in PrestoSQL 350.
_OPEN = ("--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.nio=ALL-UNNAMED")
_VECTOR = ("--add-modules=jdk.incubator.vector",)
_UNITS = "io.airlift:units:1.3:jar"

ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "prestosql-338",
            PRESTOSQL,
            "338",
            java=17,
            server="io.prestosql:presto-main:338",
            bom="io.prestosql:presto-root:338",
            start='new io.prestosql.server.Server().start("338")',
            plugins=(
                ("tpch", Plugin("io.prestosql:presto-tpch:334:zip")),
                ("memory", Plugin("io.prestosql:presto-memory:328:zip")),
                ("resource-group-managers", Plugin("io.prestosql:presto-resource-group-managers:338:zip")),
            ),
            jvm=_OPEN,
        ),
        Engine(
            "prestosql-350",
            PRESTOSQL,
            "350",
            java=17,
            server="io.prestosql:presto-server:350:tar.gz",
            main="io.prestosql.server.PrestoServer",
            kept=("tpch", "memory", "resource-group-managers"),
            jvm=_OPEN,
        ),
        Engine(  # no plugin for resource groups was published that 435 can load
            "trino-435",
            TRINO,
            "435",
            java=17,
            server="io.trino:trino-main:435",
            bom="io.trino:trino-root:435",
            start='new io.trino.server.Server().start("435")',
            plugins=(
                ("tpch", Plugin("io.trino:trino-tpch:435:zip")),
                ("memory", Plugin("io.trino:trino-memory:435:zip")),
            ),
        ),
        Engine(
            "trino-476",
            TRINO,
            "476",
            java=25,
            server="io.trino:trino-server-core:476:tar.gz",
            main="io.trino.server.TrinoServer",
            kept=("resource-group-managers",),
            plugins=(
                ("tpch", Plugin("io.trino:trino-tpch:476:zip")),
                ("memory", Plugin("io.trino:trino-memory:476:zip")),
            ),
            jvm=_VECTOR,
        ),
        Engine(
            "trino-483",
            TRINO,
            "483",
            java=25,
            server="io.trino:trino-main:483",
            bom="io.trino:trino-root:483",
            start='new io.trino.server.Server().start("483")',
            plugins=(
                ("tpch", Plugin("io.trino:trino-tpch:483", "io.trino.plugin.tpch.TpchPlugin")),
                ("memory", Plugin("io.trino:trino-memory:483", "io.trino.plugin.memory.MemoryPlugin")),
                ("resource-group-managers", Plugin("io.trino:trino-resource-group-managers:476:zip")),
            ),
            jvm=_VECTOR,
        ),
        Engine(  # the newest memory plugin that was published expects a package that has moved since: `extra`
            "prestodb-0.296",
            PRESTODB,
            "0.296",
            java=17,
            server="com.facebook.presto:presto-main:0.296",
            bom="com.facebook.presto:presto-root:0.296",
            main="com.facebook.presto.server.PrestoServer",
            plugins=(
                ("tpch", Plugin("com.facebook.presto:presto-tpch:0.296:zip")),
                ("memory", Plugin("com.facebook.presto:presto-memory:0.287:zip", extra=_UNITS)),
            ),
            jvm=_OPEN,
        ),
    )
}


def engines_home() -> Path:
    """Return the folder where assembled servers stay between runs."""
    return Path(os.environ.get("ENGINES_HOME") or Path.home() / ".cache" / "presto-query-exporter" / "engines")


def java_home(major: int) -> Path:
    """Return the home of a JDK of this major version: ``$JAVA<major>_HOME``, else one under /usr/lib/jvm."""
    named = os.environ.get(f"JAVA{major}_HOME")
    found = [Path(named)] if named else sorted(Path("/usr/lib/jvm").glob(f"*-{major}-*"))
    for home in found:
        if (home / "bin" / "javac").exists():
            return home
    raise EngineError(
        f"Java {major}: no JDK found; install one (such as openjdk-{major}-jdk or temurin-{major}-jdk), "
        f"or set JAVA{major}_HOME"
    )


def assemble(engine: Engine) -> Path:
    """Return the folder with ``lib`` and ``plugin`` of this engine, made now unless an earlier run has made it."""
    home = engines_home() / engine.name
    recipe = home / "recipe"
    if recipe.exists() and recipe.read_text() == repr(engine):
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f"{engine.name}-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        _add_server(engine, made)
        for name, plugin in engine.plugins:
            _add_plugin(plugin, engine.bom, made / "plugin" / name)
        (made / "recipe").write_text(repr(engine))
        shutil.rmtree(home, ignore_errors=True)
        made.rename(home)
    return home


def _add_server(engine: Engine, made: Path) -> None:
    lib = made / "lib"
    if engine.server.endswith(":tar.gz"):
        # All of it is unpacked: a jar that is kept may be a hard link to one in a plugin that is not.
        whole = made / "whole"
        whole.mkdir()
        tarball = download(engine.server, made)
        _run(["tar", "-xzf", str(tarball), "-C", str(whole), "--strip-components=1"], made)
        tarball.unlink()
        (whole / "lib").rename(lib)
        (made / "plugin").mkdir()
        for name in engine.kept:
            (whole / "plugin" / name).rename(made / "plugin" / name)
        shutil.rmtree(whole)
    else:
        _download_with_dependencies(engine.server, engine.bom, lib)
    if engine.start:
        source = made / "Start.java"
        source.write_text(_STARTER.format(statement=engine.start))
        javac = java_home(engine.java) / "bin" / "javac"
        _run([str(javac), "-cp", f"{lib}/*", "-d", str(lib), str(source)], made)


def _add_plugin(plugin: Plugin, bom: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    if plugin.plugin_class:
        _download_with_dependencies(plugin.artifact, bom, folder)
        with zipfile.ZipFile(folder / "services.jar", "w") as jar:
            jar.writestr("META-INF/services/io.trino.spi.Plugin", plugin.plugin_class + "\n")
        return
    package = download(plugin.artifact, folder)
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            if name.endswith(".jar"):
                (folder / Path(name).name).write_bytes(archive.read(name))
    package.unlink()
    if plugin.extra:
        download(plugin.extra, folder)


def download(artifact: str, folder: Path) -> Path:
    """Return the file of ``group:artifact:version:type``, put into *folder*."""
    _, name, version, kind = artifact.split(":")
    _maven(["copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"], folder)
    return folder / f"{name}-{version}.{kind}"


def _download_with_dependencies(artifact: str, bom: str, folder: Path) -> None:
    """Put the jar ``group:artifact:version`` and its runtime dependencies into *folder*."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as project:
        pom = Path(project) / "pom.xml"
        pom.write_text(_POM.format(bom=bom.split(":"), jar=artifact.split(":")))
        _maven(["copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"], Path(project))


def _maven(goal: list[str], folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise EngineError("mvn: not found; install Maven (package maven)")
    _run(["mvn", "-B", "-ntp", f"{_DEPENDENCY}:{goal[0]}", *goal[1:]], folder)


def _run(command: list[str], folder: Path) -> None:
    """Run to the end; raises EngineError with the last lines of what it printed if it fails."""
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        last = "\n  ".join(done.stdout.strip().splitlines()[-15:])
        raise EngineError(f"{' '.join(command[:5])}: exit code {done.returncode}; it said\n  {last}")
