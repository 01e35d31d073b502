"""What open-source Kubeflow Pipelines would reject, ignore or trip over in a compiled spec.

Its API server parses strictly but does not look at the graph: a task that waits
for one that is not there, or reads an output that is never made, fails hours
later or never starts. Vertex AI, which TFX's compiler writes for, runs things that
open-source Kubeflow refuses (resolvers) or silently leaves out (drivers before the
cache check). Rules are of what the compiler writes: one graph of container steps.
"""

from __future__ import annotations

import graphlib
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
# Of Kubeflow's expressions (CEL) the one that the compiler writes.
_CONDITION = re.compile(r"inputs\.parameter_values\['(?P<name>[^']+)'\] == '(?P<text>[^']*)'")
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
        self.tasks: Mapping[str, Any] = (self.root.get("dag") or {}).get("tasks") or {}

    def check(self) -> Iterator[str]:
        if not self.tasks:
            yield f"{_ROOT}: has no dag with tasks"
            return
        yield from _typed(self.root, _ROOT)
        for name, task in self.tasks.items():
            yield from self._task(name, task, f"{_ROOT}.dag.tasks.{name}")
        try:
            order(self.tasks)
        except CycleError as error:
            yield f"{_ROOT}.dag: the tasks wait for each other in a circle: {error}"
        used = {_reference(task) for task in self.tasks.values()}
        labels = set()
        for name, component in self.components.items():
            where = f"components.{name}"
            if name not in used:
                yield f"{where}: no task uses it"
            yield from _typed(component, where)
            label = component.get("executorLabel")
            labels.add(label)
            if label is None:
                yield f"{where}: has no executorLabel: nothing would run"
            elif label not in self.executors:
                yield f"{where}.executorLabel: {label!r} is no executor; {_have(self.executors)}"
            else:
                yield from _executor(self.executors[label], component, f"deploymentSpec.executors.{label}")
        for label in self.executors:
            if label not in labels:
                yield f"deploymentSpec.executors.{label}: no component uses it"

    def _task(self, name: str, task: Mapping[str, Any], at: str) -> Iterator[str]:
        if not _ARGO_NAME.fullmatch(name):
            yield f"{at}: Argo refuses this name; expected letters, digits and '-' only"
        shown = (task.get("taskInfo") or {}).get("name")
        if shown != name:
            yield f"{at}.taskInfo.name: is {shown!r}; outputs are looked up by it, so it must be {name!r}"
        for before in task.get("dependentTasks") or ():
            if before == name:
                yield f"{at}.dependentTasks: the task waits for itself"
            elif before not in self.tasks:
                yield f"{at}.dependentTasks: waits for {before}, which is no task; {_have(self.tasks)}"
        reference = _reference(task)
        if reference not in self.components:
            yield f"{at}.componentRef: {reference!r} is no component; {_have(self.components)}"
            return
        for kind in ("artifacts", "parameters"):
            yield from self._inputs(task, self.components[reference], kind, f"{at}.inputs.{kind}")
        text = (task.get("triggerPolicy") or {}).get("condition")
        if text:
            found, known = condition(text), _definitions(self.components[reference], "input", "parameters")
            here = f"{at}.triggerPolicy.condition"
            if found is None:
                yield f"{here}: is {text!r}; expected inputs.parameter_values['NAME'] == 'TEXT'"
            elif found[0] not in known:
                yield f"{here}: the component reads no parameter {found[0]!r}; {_have(known)}"

    def _inputs(
        self, task: Mapping[str, Any], component: Mapping[str, Any], kind: str, at: str
    ) -> Iterator[str]:
        """What a task is given, of one kind, beside what its component reads."""
        given = (task.get("inputs") or {}).get(kind) or {}
        wanted = _definitions(component, "input", kind)
        for name, definition in wanted.items():
            if name not in given and not definition.get("isOptional") and "defaultValue" not in definition:
                yield f"{at}: {name} is missing, which the component reads"
        for name, source in given.items():
            here = f"{at}.{name}"
            if name not in wanted:
                yield f"{here}: the component reads no {kind[:-1]} of that name; {_have(wanted)}"
            elif "runtimeValue" in source:
                yield from _constant(source["runtimeValue"], _type(wanted[name]), here)
            elif "taskOutputArtifact" in source or "taskOutputParameter" in source:
                wire = source.get("taskOutputArtifact") or source["taskOutputParameter"]
                key = wire.get("outputArtifactKey") or wire.get("outputParameterKey")
                yield from self._from_task(task, wire.get("producerTask"), key, wanted[name], kind, here)
            elif "componentInputParameter" in source:
                outer, key = _definitions(self.root, "input", kind), source["componentInputParameter"]
                if key not in outer:
                    yield f"{here}: the graph has no input {key!r}; {_have(outer)}"
                else:
                    yield from _same_type(outer[key], wanted[name], here)
            else:
                yield f"{here}: comes from nowhere; expected an output of a task, or a parameter's value"

    def _from_task(
        self, task: Mapping[str, Any], producer: Any, key: Any, wanted: Mapping[str, Any], kind: str, at: str
    ) -> Iterator[str]:
        if producer not in self.tasks:
            yield f"{at}: producerTask {producer!r} is no task; {_have(self.tasks)}"
            return
        if producer not in (task.get("dependentTasks") or ()):
            yield f"{at}: reads from {producer} without waiting for it; add it to dependentTasks"
        component = self.components.get(_reference(self.tasks[producer]))
        if component is None:
            return  # said where the producer is looked at
        made = _definitions(component, "output", kind)
        if key not in made:
            yield f"{at}: {producer} makes no {kind[:-1]} {key!r}; {_have(made)}"
        else:
            yield from _same_type(made[key], wanted, at)


def condition(text: str) -> tuple[str, str] | None:
    """Name of the parameter and the text that it must be; None of any other expression."""
    match = _CONDITION.fullmatch(text)
    return (match["name"], match["text"]) if match else None


def _reference(task: Mapping[str, Any]) -> str:
    return str((task.get("componentRef") or {}).get("name", ""))


def _typed(component: Mapping[str, Any], where: str) -> Iterator[str]:
    for side in ("input", "output"):
        for name, definition in _definitions(component, side, "parameters").items():
            at, kind = f"{where}.{side}Definitions.parameters.{name}", definition.get("parameterType")
            if kind is None:
                yield f"{at}: has no parameterType; `type` is of schema 2.0"
            elif "defaultValue" in definition and not _is_a(definition["defaultValue"], kind):
                yield f"{at}.defaultValue: {json.dumps(definition['defaultValue'])} is no {kind}"
        for name, definition in _definitions(component, side, "artifacts").items():
            if not artifact_title(definition):
                yield f"{where}.{side}Definitions.artifacts.{name}: has no type with a title"


def _executor(executor: Mapping[str, Any], component: Mapping[str, Any], at: str) -> Iterator[str]:
    if "resolver" in executor:  # TFX's Resolver becomes one
        yield f"{at}.resolver: open-source Kubeflow answers «resolver executors not implemented»"
        return
    container = executor.get("container") or {}
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


def _same_type(found: Mapping[str, Any], wanted: Mapping[str, Any], at: str) -> Iterator[str]:
    if _type(found) != _type(wanted):
        yield f"{at}: gets a {_type(found)}, reads a {_type(wanted)}"


def _type(definition: Mapping[str, Any]) -> str:
    """Of a parameter or an artifact."""
    return str(definition.get("parameterType") or artifact_title(definition))


def artifact_title(definition: Mapping[str, Any]) -> str:
    """Name of an artifact's type, "" if it has none."""
    kind = definition.get("artifactType") or {}
    if "instanceSchema" in kind:
        match = re.search(r"^title:\s*(\S+)", kind["instanceSchema"], re.MULTILINE)
        return match[1] if match else ""
    return str(kind.get("schemaTitle", ""))


def _constant(value: Mapping[str, Any], kind: str, at: str) -> Iterator[str]:
    if "constant" not in value:
        yield (
            f"{at}.runtimeValue: open-source Kubeflow's driver reads `constant` alone, not schema 2.0's "
            f"`constantValue` or `runtimeParameter`; {_have(value)}"
        )
    elif not _is_a(value["constant"], kind):
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


class CycleError(ValueError):
    """The text names the tasks: a -> b -> a, each waiting for the next."""


def order(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks so that each comes after those it waits for; else by name.

    Raises:
      CycleError: there is no such order.
    """
    sorter = graphlib.TopologicalSorter(
        {
            name: {
                before for before in task.get("dependentTasks") or () if before in tasks and before != name
            }
            for name, task in tasks.items()
        }
    )
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = error.args[1][:0:-1]
        first = circle.index(min(circle))
        circle = [*circle[first:], *circle[: first + 1]]
        raise CycleError(" -> ".join(circle)) from None
    ready: list[str] = []
    done: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()])
        done.append(ready.pop(0))
        sorter.done(done[-1])
    return done


def _have(names: Any) -> str:
    listed = sorted(map(str, names))
    return "there are " + ", ".join(listed) if listed else "there is none"
