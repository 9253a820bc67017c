"""How the shipped files run: the instance, the image's commands, the cluster's jobs."""
