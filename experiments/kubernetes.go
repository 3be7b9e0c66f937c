package experiments

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"text/template"
	"time"
)

// KubernetesOptions are what an Indexed Job needs beside the sweep.
type KubernetesOptions struct {
	Image  string
	Claim  string        // PersistentVolumeClaim that holds the sweep's folder, writable by many
	Path   string        // of the sweep's folder in a pod, absolute
	CPUs   int           // of a member
	Memory int64         // of a member, bytes
	AtOnce int           // members; 0 is all
	Save   time.Duration // that a pod has to save when it must go
}

var kubernetesJob = template.Must(template.New("job").Parse(`# A pod for each member of the sweep. One that must go gets SIGTERM, saves, and is
# started again where it stopped; neither that (exit code 143) nor a member that
# another process has, or which needs one that is not trained yet (75), counts as a failure.
apiVersion: batch/v1
kind: Job
metadata:
  name: {{.Name}}
spec:
  completionMode: Indexed
  completions: {{.Completions}}
  parallelism: {{.Parallelism}}
  backoffLimitPerIndex: 3
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
      - action: Ignore
        onExitCodes:
          containerName: member
          operator: In
          values: [75, 143]
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: {{.Grace}}
      containers:
        - name: member
          image: {{printf "%q" .Image}}
          command: [mobilellm-sweep, member, {{printf "%q" .Path}}, --index, $(JOB_COMPLETION_INDEX), --workers, "{{.CPUs}}"]
          resources:
            requests: {cpu: "{{.CPUs}}", memory: {{.Megabytes}}Mi}
            limits: {memory: {{.Megabytes}}Mi}
          volumeMounts:
            - name: sweeps
              mountPath: {{printf "%q" .Mount}}
      volumes:
        - name: sweeps
          persistentVolumeClaim:
            claimName: {{.Claim}}
`))

// Kubernetes writes an Indexed Job of the sweep's members.
func (s *Sweep) Kubernetes(w io.Writer, o KubernetesOptions) error {
	if !path.IsAbs(o.Path) || path.Dir(o.Path) == "/" {
		return fmt.Errorf("the sweep's folder in a pod (%s) must be an absolute path below a volume's, such as /runs/%s", o.Path, s.Name)
	}
	if o.Claim == "" {
		return errors.New("no PersistentVolumeClaim is named")
	}
	parallelism := len(s.Members)
	if o.AtOnce > 0 {
		parallelism = min(o.AtOnce, parallelism)
	}
	return kubernetesJob.Execute(w, struct {
		KubernetesOptions
		Name, Mount              string
		Completions, Parallelism int
		Grace                    int
		Megabytes                int64
	}{o, dnsName(s.Name), path.Dir(o.Path), len(s.Members), parallelism, int(o.Save.Seconds()), megabytes(o.Memory)})
}

// dnsName makes a name of lower-case letters, digits and hyphens, as Kubernetes
// wants.
func dnsName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(name))
	clean = strings.Trim(clean[:min(len(clean), 52)], "-") // pods get a suffix of up to 11
	if clean == "" {
		return "sweep"
	}
	return clean
}
