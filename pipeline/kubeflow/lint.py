"""What open-source Kubeflow Pipelines would reject, ignore or trip over in a compiled spec.

Its API server parses strictly but does not look at the graph: a task that waits
for one that is not there, or reads an output that is never made, fails hours
later or never starts. Vertex AI runs things that open-source Kubeflow refuses
(resolvers) or silently leaves out (drivers before the cache check).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.kubeflow.documents import KUBERNETES, PLATFORMS

SCHEMA_VERSION = "2.1.0"

_ROOT = "root"
_PIPELINE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ARGO_NAME = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_PLACEHOLDER = re.compile(
    r"\{\{\$\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\['(?P<name>[^']*)'\](?P<rest>[^}]*)\}\}"
)
# scheme://user:password@host
_PASSWORD = re.compile(r"\w+://[^\s/:@]+:[^\s/@]+@")
# Field of kfp-kubernetes' KubernetesExecutorConfig -> fields of its message, None: not a list of messages.
_KUBERNETES_FIELDS: dict[str, set[str] | None] = {
    "pvcMount": {"constant", "componentInputParameter", "taskOutputParameter", "pvcNameParameter",
                 "mountPath", "subPath"},
    "secretAsEnv": {"secretName", "secretNameParameter", "keyToEnv", "optional"},
    "secretAsVolume": {"secretName", "secretNameParameter", "mountPath", "optional"},
    "configMapAsEnv": {"configMapName", "configMapNameParameter", "keyToEnv", "optional"},
    "configMapAsVolume": {"configMapName", "configMapNameParameter", "mountPath", "optional"},
    "tolerations": {"key", "operator", "value", "effect", "tolerationSeconds", "tolerationJson"},
    "imagePullSecret": {"secretName", "secretNameParameter"},
    **dict.fromkeys(
        ("imagePullPolicy", "nodeSelector", "podMetadata", "activeDeadlineSeconds", "fieldPathAsEnv",
         "genericEphemeralVolume", "nodeAffinity", "podAffinity", "enabledSharedMemory", "emptyDirMounts",
         "securityContext")
    ),
}  # fmt: skip
_VALUE_KINDS: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def problems(documents: Sequence[Any]) -> list[str]:
    """Everything that is wrong with the documents of a file; empty if nothing is.

    Each line begins with where it is.
    """
    if not documents:
        return ["file: is empty; expected a PipelineSpec"]
    wrong = [f"document {n}: holds {type(d).__name__}, not fields and values"
             for n, d in enumerate(documents, 1) if not isinstance(d, dict)]  # fmt: skip
    if wrong:
        return wrong
    if "pipelineSpec" in documents[0]:
        return [
            "pipelineSpec: this is a PipelineJob, Vertex AI's wrapper; open-source Kubeflow takes the bare "
            "PipelineSpec inside it, and a run's values apart from it"
        ]
    pipeline, *others = documents
    found = list(_parse(pipeline, pipeline_spec_pb2.PipelineSpec(), "spec"))
    executors = pipeline.get("deploymentSpec") or {}
    found += _parse(executors, pipeline_spec_pb2.PipelineDeploymentConfig(), "deploymentSpec")
    if len(others) > 1:
        found.append(f"file: holds {len(documents)} documents; expected a PipelineSpec and one PlatformSpec")
    for other in others:
        found += _parse(other, pipeline_spec_pb2.PlatformSpec(), PLATFORMS)
    found += _version_and_name(pipeline)
    found += _secrets(documents)
    if any(line.startswith(("spec: ", "deploymentSpec: ", f"{PLATFORMS}: ")) for line in found):
        return found  # of another shape than the graph's checks can walk
    graph = _Graph(pipeline)
    found += graph.check()
    for other in others:
        found += _platform(other, set(graph.executors))
    return found


def _parse(document: Any, message: Any, where: str) -> Iterator[str]:
    try:
        json_format.ParseDict(document, message)
    except json_format.ParseError as error:
        yield f"{where}: does not parse as {message.DESCRIPTOR.name}: {error}"


def _version_and_name(pipeline: Mapping[str, Any]) -> Iterator[str]:
    version = pipeline.get("schemaVersion")
    if version != SCHEMA_VERSION:
        yield f"schemaVersion: is {version}; open-source Kubeflow accepts {SCHEMA_VERSION} alone"
    name = (pipeline.get("pipelineInfo") or {}).get("name", "")
    if not isinstance(name, str) or not _PIPELINE_NAME.fullmatch(name):
        yield (
            f"pipelineInfo.name: is {name!r}; expected lower case letters, digits, '-' and '.', with a "
            "letter or digit at both ends"
        )


def _secrets(document: Any, path: str = "") -> Iterator[str]:
    """Passwords in addresses: everybody who may see a run can read its spec."""
    if isinstance(document, str):
        if _PASSWORD.search(document):
            yield f"{path.lstrip('.')}: holds an address with a password; name a Kubernetes secret instead"
        return
    items = (
        document.items() if isinstance(document, dict)
        else enumerate(document) if isinstance(document, list) else ()
    )  # fmt: skip
    for key, value in items:
        yield from _secrets(value, f"{path}.{key}")


def _platform(document: Mapping[str, Any], labels: set[str]) -> Iterator[str]:
    for platform, config in (document.get(PLATFORMS) or {}).items():
        where = f"{PLATFORMS}.{platform}"
        if platform != KUBERNETES:
            yield f"{where}: open-source Kubeflow reads {KUBERNETES} alone"
            continue
        for label, fields in ((config.get("deploymentSpec") or {}).get("executors") or {}).items():
            at = f"{where}.deploymentSpec.executors.{label}"
            if label not in labels:
                yield f"{at}: there is no such executor; {_have(labels)}"
            for field, value in fields.items():
                if field not in _KUBERNETES_FIELDS:
                    yield f"{at}.{field}: no such field; {_have(_KUBERNETES_FIELDS)}"
                    continue
                allowed = _KUBERNETES_FIELDS[field]
                if allowed is None:
                    continue
                if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                    yield f"{at}.{field}: expected a list of mappings"
                    continue
                for item in value:
                    for key in item.keys() - allowed:
                        yield f"{at}.{field}.{key}: no such field; {_have(allowed)}"


class _Graph:
    """The spec's graph, of which every reference must lead somewhere."""

    def __init__(self, pipeline: Mapping[str, Any]) -> None:
        self.components: Mapping[str, Any] = pipeline.get("components") or {}
        self.executors: Mapping[str, Any] = (pipeline.get("deploymentSpec") or {}).get("executors") or {}
        self.root: Mapping[str, Any] = pipeline.get(_ROOT) or {}
        self.used: set[str] = set()  # components
        self.labels: set[str] = set()  # executors

    def check(self) -> Iterator[str]:
        if not (self.root.get("dag") or {}).get("tasks"):
            yield f"{_ROOT}: has no dag with tasks"
            return
        yield from self._parameters_typed(self.root, _ROOT)
        yield from self._dag(self.root, _ROOT)
        for name, component in self.components.items():
            where = f"components.{name}"
            if name not in self.used:
                yield f"{where}: no task uses it"
            yield from self._parameters_typed(component, where)
            if "dag" in component:
                if not component["dag"].get("tasks"):
                    yield f"{where}: has a dag without tasks"
                yield from self._dag(component, where)
            elif "executorLabel" in component:
                yield from self._executor(component, where)
            else:
                yield f"{where}: has neither an executorLabel nor a dag: nothing would run"
        for label in self.executors:
            if label not in self.labels:
                yield f"deploymentSpec.executors.{label}: no component uses it"

    # --- tasks ---

    def _dag(self, component: Mapping[str, Any], where: str) -> Iterator[str]:
        tasks: Mapping[str, Any] = component["dag"].get("tasks") or {}
        for name, task in tasks.items():
            at = f"{where}.dag.tasks.{name}"
            if not _ARGO_NAME.fullmatch(name):
                yield f"{at}: Argo refuses this name; expected letters, digits and '-' only"
            shown = (task.get("taskInfo") or {}).get("name")
            if shown != name:
                yield f"{at}.taskInfo.name: is {shown!r}; outputs are looked up by it, so it must be {name!r}"
            if "artifactIterator" in task:
                yield f"{at}.artifactIterator: open-source Kubeflow has not implemented it"
            for before in task.get("dependentTasks") or ():
                if before == name:
                    yield f"{at}.dependentTasks: the task waits for itself"
                elif before not in tasks:
                    yield f"{at}.dependentTasks: waits for {before}, which is no task; {_have(tasks)}"
            reference = str((task.get("componentRef") or {}).get("name", ""))
            if reference not in self.components:
                yield f"{at}.componentRef: {reference!r} is no component; {_have(self.components)}"
                continue
            self.used.add(reference)
            yield from self._artifacts(task, self.components[reference], tasks, component, at)
            yield from self._parameters(task, self.components[reference], tasks, component, at)
        yield from _cycles(tasks, where)

    def _artifacts(
        self, task: Mapping[str, Any], component: Mapping[str, Any], tasks: Mapping[str, Any],
        parent: Mapping[str, Any], at: str,
    ) -> Iterator[str]:  # fmt: skip
        given = (task.get("inputs") or {}).get("artifacts") or {}
        wanted = _definitions(component, "input", "artifacts")
        for name, spec in wanted.items():
            if name not in given and not spec.get("isOptional"):
                yield f"{at}.inputs.artifacts: {name} is missing, which the component reads"
        for name, source in given.items():
            here = f"{at}.inputs.artifacts.{name}"
            if name not in wanted:
                yield f"{here}: the component reads no artifact of that name; {_have(wanted)}"
                continue
            if "taskOutputArtifact" in source:
                wire = source["taskOutputArtifact"]
                producer, key = wire.get("producerTask"), wire.get("outputArtifactKey")
                yield from self._produced(task, producer, tasks, here)
                made = self._made(producer, tasks, "artifacts")
                if made is None:
                    continue
                if key not in made:
                    yield f"{here}: {producer} makes no artifact {key!r}; {_have(made)}"
                    continue
                found = made[key]
            elif "componentInputArtifact" in source:
                outer, key = _definitions(parent, "input", "artifacts"), source["componentInputArtifact"]
                if key not in outer:
                    yield f"{here}: the graph has no input {key!r}; {_have(outer)}"
                    continue
                found = outer[key]
            else:
                yield f"{here}: comes from nowhere; expected taskOutputArtifact or componentInputArtifact"
                continue
            if artifact_title(found) != artifact_title(wanted[name]):
                yield f"{here}: gets a {artifact_title(found)}, reads a {artifact_title(wanted[name])}"

    def _parameters(
        self, task: Mapping[str, Any], component: Mapping[str, Any], tasks: Mapping[str, Any],
        parent: Mapping[str, Any], at: str,
    ) -> Iterator[str]:  # fmt: skip
        given = (task.get("inputs") or {}).get("parameters") or {}
        wanted = _definitions(component, "input", "parameters")
        for name, spec in wanted.items():
            if name not in given and not spec.get("isOptional") and "defaultValue" not in spec:
                yield f"{at}.inputs.parameters: {name} is missing, which the component reads"
        for name, source in given.items():
            here = f"{at}.inputs.parameters.{name}"
            if name not in wanted:
                yield f"{here}: the component reads no parameter of that name; {_have(wanted)}"
                continue
            kind = wanted[name].get("parameterType")
            if "runtimeValue" in source:
                yield from _constant(source["runtimeValue"], kind, here)
                continue
            if "taskFinalStatus" in source:
                continue
            if "taskOutputParameter" in source:
                wire = source["taskOutputParameter"]
                producer, key = wire.get("producerTask"), wire.get("outputParameterKey")
                yield from self._produced(task, producer, tasks, here)
                made = self._made(producer, tasks, "parameters")
                if made is None:
                    continue
                if key not in made:
                    yield f"{here}: {producer} makes no parameter {key!r}; {_have(made)}"
                    continue
                found = made[key].get("parameterType")
            elif "componentInputParameter" in source:
                outer, key = _definitions(parent, "input", "parameters"), source["componentInputParameter"]
                if key not in outer:
                    yield f"{here}: the graph has no input {key!r}; {_have(outer)}"
                    continue
                found = outer[key].get("parameterType")
            else:
                yield (
                    f"{here}: comes from nowhere; expected runtimeValue, taskOutputParameter or "
                    "componentInputParameter"
                )
                continue
            if found != kind:
                yield f"{here}: gets a {found}, reads a {kind}"

    def _produced(
        self, task: Mapping[str, Any], producer: Any, tasks: Mapping[str, Any], at: str
    ) -> Iterator[str]:
        if producer not in tasks:
            yield f"{at}: producerTask {producer!r} is no task; {_have(tasks)}"
        elif producer not in (task.get("dependentTasks") or ()):
            yield f"{at}: reads from {producer} without waiting for it; add it to dependentTasks"

    def _made(self, producer: Any, tasks: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
        """Output definitions of a task, None if there is no such task or component."""
        reference = ((tasks.get(producer) or {}).get("componentRef") or {}).get("name")
        component = self.components.get(str(reference))
        return None if component is None else _definitions(component, "output", kind)

    # --- components and executors ---

    def _parameters_typed(self, component: Mapping[str, Any], where: str) -> Iterator[str]:
        for side in ("input", "output"):
            for name, spec in _definitions(component, side, "parameters").items():
                at = f"{where}.{side}Definitions.parameters.{name}"
                kind = spec.get("parameterType")
                if kind is None:
                    yield f"{at}: has no parameterType; `type` is of schema 2.0"
                elif "defaultValue" in spec and not _is_a(spec["defaultValue"], kind):
                    yield f"{at}.defaultValue: {json.dumps(spec['defaultValue'])} is no {kind}"
            for name, spec in _definitions(component, side, "artifacts").items():
                if not artifact_title(spec):
                    yield f"{where}.{side}Definitions.artifacts.{name}: has no type with a title"

    def _executor(self, component: Mapping[str, Any], where: str) -> Iterator[str]:
        label = component["executorLabel"]
        if label not in self.executors:
            yield f"{where}.executorLabel: {label!r} is no executor; {_have(self.executors)}"
            return
        self.labels.add(label)
        executor, at = self.executors[label], f"deploymentSpec.executors.{label}"
        if "resolver" in executor:
            yield f"{at}.resolver: open-source Kubeflow answers «resolver executors not implemented»"
        elif "customJob" in executor:
            yield f"{at}.customJob: is Vertex AI's; open-source Kubeflow refuses it"
        elif "container" in executor:
            yield from self._container(executor["container"], component, at)
        elif "importer" not in executor:
            yield f"{at}: is empty; expected a container"

    def _container(
        self, container: Mapping[str, Any], component: Mapping[str, Any], at: str
    ) -> Iterator[str]:
        if not container.get("image"):
            yield f"{at}.container.image: is missing"
        if not container.get("command"):
            yield f"{at}.container.command: is missing; Kubeflow's launcher has nothing to start without it"
        if "preCacheCheck" in (container.get("lifecycle") or {}):
            yield (
                f"{at}.container.lifecycle.preCacheCheck: open-source Kubeflow ignores it, so this driver "
                "would never run; hash the data in a step of its own"
            )
        for text in [*(container.get("command") or ()), *(container.get("args") or ())]:
            for match in _PLACEHOLDER.finditer(text):
                side = match["side"].removesuffix("s")
                known = _definitions(component, side, match["kind"])
                if match["name"] not in known:
                    yield f"{at}.container: {match[0]} names no {side} of the component; {_have(known)}"


def _definitions(component: Mapping[str, Any], side: str, kind: str) -> Mapping[str, Any]:
    return (component.get(f"{side}Definitions") or {}).get(kind) or {}


def artifact_title(spec: Mapping[str, Any]) -> str:
    """Name of an artifact's type, "" if it has none."""
    kind = spec.get("artifactType") or {}
    if "instanceSchema" in kind:
        match = re.search(r"^title:\s*(\S+)", kind["instanceSchema"], re.MULTILINE)
        return match[1] if match else ""
    return str(kind.get("schemaTitle", ""))


def _constant(value: Mapping[str, Any], kind: str | None, at: str) -> Iterator[str]:
    if "constantValue" in value:
        yield f"{at}.runtimeValue.constantValue: is of schema 2.0; Kubeflow's driver reads `constant`"
    elif "constant" not in value:
        yield f"{at}.runtimeValue: open-source Kubeflow's driver reads `constant` alone, found {_have(value)}"
    elif kind and not _is_a(value["constant"], kind):
        yield f"{at}.runtimeValue.constant: {json.dumps(value['constant'])[:60]} is no {kind}"


def _is_a(value: Any, kind: str) -> bool:
    allowed = _VALUE_KINDS.get(kind)
    if allowed is None:
        return True
    if isinstance(value, bool):
        return kind == "BOOLEAN"
    if isinstance(value, float) and kind == "NUMBER_INTEGER":
        return value.is_integer()
    return isinstance(value, allowed)


def _cycles(tasks: Mapping[str, Any], where: str) -> Iterator[str]:
    try:
        order(tasks)
    except CycleError as error:
        yield f"{where}.dag: the tasks wait for each other in a circle: {error}"


class CycleError(ValueError):
    """The text names the tasks: a -> b -> a."""


def order(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks so that each comes after those it waits for; else by name.

    Raises:
      CycleError: there is no such order.
    """
    waiting = {
        name: {before for before in task.get("dependentTasks") or () if before in tasks and before != name}
        for name, task in tasks.items()
    }
    done: list[str] = []
    while waiting:
        ready = sorted(name for name, before in waiting.items() if before <= set(done))
        if not ready:
            raise CycleError(_circle(waiting, set(done)))
        done.append(ready[0])
        del waiting[ready[0]]
    return done


def _circle(waiting: Mapping[str, set[str]], done: set[str]) -> str:
    path = [min(waiting)]
    while True:
        before = min(waiting[path[-1]] - done)
        if before in path:
            return " -> ".join([*path[path.index(before) :], before])
        path.append(before)


def _have(names: Any) -> str:
    listed = sorted(map(str, names))
    return "there are " + ", ".join(listed) if listed else "there is none"
