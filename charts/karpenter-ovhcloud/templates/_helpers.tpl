{{/* Name of the chart, as in the label app.kubernetes.io/name. */}}
{{- define "karpenter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of the objects: the release's, with the chart's unless it is in there already. */}}
{{- define "karpenter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "karpenter.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "karpenter.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "karpenter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "karpenter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels and annotations of an object: those of all, and its own in "labels" and "annotations". */}}
{{- define "karpenter.metadata" -}}
{{- with .root -}}
labels:
  helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
  {{- include "karpenter.selectorLabels" . | nindent 2 }}
{{- end }}
{{- with merge (dict) (default dict .labels) .root.Values.additionalLabels }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with merge (dict) (default dict .annotations) .root.Values.additionalAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "karpenter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "karpenter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the account to use, or let serviceAccount.create be true" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "karpenter.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "karpenter.leaseName" -}}
{{ include "karpenter.fullname" . }}-leader
{{- end }}

{{/* Whether an OVHNodeClass is made: all of ovh.serviceName, kubeId and region, or none of them. */}}
{{- define "karpenter.nodeClass" -}}
{{- $ids := without (list .Values.ovh.serviceName .Values.ovh.kubeId .Values.ovh.region) "" }}
{{- if and .Values.nodeClass.create (len $ids) }}
{{- if ne (len $ids) 3 }}
{{- fail "ovh: give serviceName, kubeId and region together, or none of them and an OVHNodeClass of your own" }}
{{- end }}
{{- print "true" }}
{{- end }}
{{- end }}
