#!/usr/bin/env bash
# Measures one shard of a recipe in each task of a Slurm array:
#   sbatch --array=1-16 slurm-array.sh recipe.yaml /shared/study 16
# Tasks that were stopped go on where they were when they are submitted again; --array=3,7 submits two of them alone. Then:
#   vlmopt merge /shared/study/merged /shared/study/shard-*-of-16
#SBATCH --job-name=vlmopt
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

if [ $# -ne 3 ] || [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
  echo "usage: sbatch --array=1-SHARDS $0 RECIPE FOLDER SHARDS" >&2
  exit 2
fi
recipe=$1 folder=$2 shards=$3
exec "${VLMOPT:-vlmopt}" run "$recipe" \
  --shard "$SLURM_ARRAY_TASK_ID/$shards" \
  --out "$folder/shard-$SLURM_ARRAY_TASK_ID-of-$shards"
