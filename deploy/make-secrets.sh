#!/bin/sh
# Makes the secrets that compose.yaml asks for, once: .env and the folder secrets, both beside this file.
set -eu
cd "$(dirname "$0")"
if [ -e .env ] || [ -e secrets ]; then
  echo "The secrets are here already: remove deploy/.env and deploy/secrets to make new ones, and the volumes with them." >&2
  exit 1
fi
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
hash() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

admin=$(random)
metrics=$(random)
mkdir secrets
printf %s "$admin" > secrets/admin-key
# Prometheus reads it as a user of its own.
printf %s "$metrics" > secrets/metrics-key
chmod 644 secrets/metrics-key
cat > .env <<END
POSTGRES_PASSWORD=$(random)
KAFKA_CLUSTER_ID=$(random | cut -c1-21)A
LONJA_API_KEYS=admin admin $(hash "$admin"),metrics reader $(hash "$metrics")
END
echo "Made deploy/.env and deploy/secrets. The key of the administrator is in deploy/secrets/admin-key."
