"""Checks an MPIJob of the MPI operator: what it has in common with Kubernetes, the templates of
its pods, against Kubernetes' own schema, and the rest against the fields of kubeflow.org/v2beta1.

    python kubernetes_mpijob.py FILE
"""

import sys

import kubernetes_validate
import yaml

FIELDS = {  # of MPIJobSpec, RunPolicy and ReplicaSpec
    "spec": {"slotsPerWorker", "runLauncherAsWorker", "runPolicy", "mpiReplicaSpecs", "sshAuthMountPath", "launcherCreationPolicy", "mpiImplementation"},
    "runPolicy": {"cleanPodPolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit", "schedulingPolicy", "suspend", "managedBy"},
    "replica": {"replicas", "template", "restartPolicy"},
}


def known(where, what, kind):
    extra = set(what) - FIELDS[kind]
    assert not extra, f"{where}: unknown fields {sorted(extra)}"


job = yaml.safe_load(open(sys.argv[1]))
assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v2beta1", "MPIJob"), (job["apiVersion"], job["kind"])
spec = job["spec"]
known("spec", spec, "spec")
known("spec.runPolicy", spec["runPolicy"], "runPolicy")
replicas = spec["mpiReplicaSpecs"]
assert set(replicas) == {"Launcher", "Worker"}, sorted(replicas)
for name, replica in replicas.items():
    known(name, replica, "replica")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name.lower()}, **replica["template"]}
    kubernetes_validate.validate(pod, "1.37", strict=True)
ranks = replicas["Worker"]["replicas"] * spec["slotsPerWorker"]
script = replicas["Launcher"]["template"]["spec"]["containers"][0]["args"][0]
assert f"mpirun --allow-run-as-root -n {ranks} " in script, f"the launcher does not start {ranks} ranks"
print(f"ok: {sys.argv[1]}: a launcher and {ranks} ranks")
