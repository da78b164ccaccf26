"""Project files: serverless.yml of the components scf, multi-scf and http, and the older template.yaml."""
