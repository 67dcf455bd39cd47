{{/* Names and labels */}}
{{- define "gitops.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "gitops.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "gitops.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gitops.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Takes (dict "root" $ "component" "beat") */}}
{{- define "gitops.selector" -}}
app.kubernetes.io/name: {{ include "gitops.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "gitops.labels" -}}
{{ include "gitops.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: gitops-engine
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gitops.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end }}

{{- define "gitops.secret" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "gitops.fullname" .)) -}}
{{- end }}

{{/* Security: the restricted Pod Security Standard, everywhere. */}}
{{- define "gitops.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "gitops.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Redis */}}
{{- define "gitops.redisAddress" -}}
{{- if .Values.redis.internal.enabled -}}
{{- printf "%s-redis:6379" (include "gitops.fullname" .) -}}
{{- else -}}
{{- .Values.redis.external.address -}}
{{- end -}}
{{- end }}

{{- define "gitops.redisUser" -}}
{{- if .Values.redis.internal.enabled -}}default{{- else -}}{{ .Values.redis.external.username }}{{- end -}}
{{- end }}

{{- define "gitops.redisTLS" -}}
{{- if and (not .Values.redis.internal.enabled) .Values.redis.external.tls -}}true{{- end -}}
{{- end }}

{{- define "gitops.redisCA" -}}
{{- if not .Values.redis.internal.enabled -}}{{ .Values.redis.external.caSecret }}{{- end -}}
{{- end }}

{{/* Environment of every engine container. Takes (dict "root" $ "sealed" true|false): only beat, workers and web read
what is sealed. The password goes through the environment, never through arguments. */}}
{{- define "gitops.env" -}}
{{- $root := .root -}}
{{- $external := $root.Values.redis.external -}}
{{- if and (not $root.Values.redis.internal.enabled) $external.urlSecret }}
- name: GITOPS_REDIS_URL
  valueFrom:
    secretKeyRef: { name: {{ $external.urlSecret | quote }}, key: url }
{{- else }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef: { name: {{ include "gitops.secret" $root | quote }}, key: redis-password }
{{- $scheme := ternary "rediss" "redis" (eq (include "gitops.redisTLS" $root) "true") }}
{{- $database := ternary 0 (int $external.database) $root.Values.redis.internal.enabled }}
{{- $query := ternary "?ssl_ca_certs=/etc/redis-ca/ca.crt" "" (ne (include "gitops.redisCA" $root) "") }}
- name: GITOPS_REDIS_URL
  value: {{ printf "%s://%s:$(REDIS_PASSWORD)@%s/%d%s" $scheme (include "gitops.redisUser" $root) (include "gitops.redisAddress" $root) $database $query | quote }}
{{- end }}
- name: GITOPS_REDIS_PREFIX
  value: {{ $root.Values.redis.prefix | quote }}
- name: GITOPS_NAMESPACE
  valueFrom:
    fieldRef: { fieldPath: metadata.namespace }
{{- if .sealed }}
- name: GITOPS_SEAL_KEY
  valueFrom:
    secretKeyRef: { name: {{ include "gitops.secret" $root | quote }}, key: seal-key }
{{- end }}
- name: GITOPS_APPLICATION_NAMESPACES
  value: {{ join "," $root.Values.rbac.applicationNamespaces | quote }}
- name: GITOPS_DATA_DIR
  value: /data
- name: GITOPS_METRICS_PORT
  value: {{ $root.Values.monitoring.metricsPort | quote }}
{{- with $root.Values.monitoring.traceEndpoint }}
- name: GITOPS_TRACE_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: HOME
  value: /tmp
{{- end }}

{{- define "gitops.envFrom" -}}
- configMapRef:
    name: {{ include "gitops.fullname" . }}-settings
{{- end }}

{{/* Writable places of a read-only container. Takes (dict "root" $ "dataSize" "1Gi") */}}
{{- define "gitops.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 1Gi }
- name: data
  emptyDir: { sizeLimit: {{ .dataSize }} }
{{- with include "gitops.redisCA" .root }}
- name: redis-ca
  secret:
    secretName: {{ . | quote }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end }}

{{- define "gitops.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: data, mountPath: /data }
{{- if include "gitops.redisCA" . }}
- { name: redis-ca, mountPath: /etc/redis-ca, readOnly: true }
{{- end }}
{{- end }}

{{- define "gitops.spread" -}}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range tuple "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "gitops.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "gitops.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "gitops.podAnnotations" -}}
checksum/settings: {{ toJson .Values.settings | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gitops.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A warm shutdown waits for the running tasks, and none outlives the hard limit. */}}
{{- define "gitops.grace" -}}
{{- add (int .Values.settings.HARD_TIME_LIMIT) 30 -}}
{{- end }}

{{/* A pool with what it does not say filled in from workers.defaults. Takes (dict "root" $ "pool" {...}); gives JSON. */}}
{{- define "gitops.pool" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.workers.defaults) (deepCopy .pool) | toJson -}}
{{- end }}

{{/* "true" where a pool scales by KEDA. */}}
{{- define "gitops.keda" -}}
{{- range $given := .Values.workers.pools -}}
{{- $pool := include "gitops.pool" (dict "root" $ "pool" ($given | default dict)) | fromJson -}}
{{- if eq $pool.autoscaling.mode "keda" }}true{{ end -}}
{{- end -}}
{{- end }}
