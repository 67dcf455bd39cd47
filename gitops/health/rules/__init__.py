"""The data of the specific rules; `gitops.health.specific` tells how a file is read."""
