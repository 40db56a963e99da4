#!/usr/bin/env bash
# All that a GPU has to show, in one go and in under 8 minutes: tests, ceilings, operations,
# transfers, training steps beside PyTorch's, registers. Needs Python with NumPy, CuPy, Numba,
# Pillow, pytest and hypothesis, and PyTorch to compare with; no network.
#
#     benchmarks/gpu_report.sh [OUT]      # writes OUT/gpu.json and OUT/gpu.md
#
# Every part has its own time and may fail: the report says so and shows the end of its output.
# PYTHON is the interpreter; DEVICES=cpu tries the script out where there is no GPU.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-$root/benchmarks/results}"
out=$(cd "${1:-$root/benchmarks/results}" && pwd)
python=${PYTHON:-python3}
devices=${DEVICES:-cpu,cuda}
budget=${BUDGET:-460}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

cd "$root"
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$parts/numba}
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

# part NAME SECONDS COMMAND...: at most so long, and no longer than the whole may take
part() {
    local name=$1 limit=$2 start=$SECONDS left=$((budget - SECONDS)) code
    shift 2
    limit=$((limit < left ? limit : left))
    if [ "$limit" -lt 5 ]; then
        echo "no time was left" >"$parts/$name.log"
        echo "125 0 0" >"$parts/$name.status"
        return
    fi
    LIMIT=$limit timeout -k 5 "$limit" "$@" >"$parts/$name.log" 2>&1
    code=$?
    echo "$code $((SECONDS - start)) $limit" >"$parts/$name.status"
    echo "$name: exit code $code after $((SECONDS - start)) s"
}
measure() { part "$1" "$2" "$python" benchmarks/gpu_report.py "$1" "$parts" "$devices"; }
tests() {
    local name=$1 limit=$2 side=
    shift 2
    "$python" -c 'import xdist' 2>/dev/null && side="-n ${WORKERS:-6}"
    # shellcheck disable=SC2086
    part "$name" "$limit" "$python" -m pytest -v --tb=short -W default -p no:cacheprovider $side "$@"
}

# what needs no GPU meanwhile: the compilers of the CPU's kernels and of the registers' table
measure warm 150 &
warm=$!
part registers 100 "$python" benchmarks/cuda_registers.py --sm 90 \
    --out "$parts/registers.md" --json "$parts/registers.json" &
registers=$!

tests tests-gpu 120 tests/test_gpu.py ${TESTS:+-k "$TESTS"}
wait "$warm" "$registers"
measure ceilings 25
measure transfers 20
measure ops 70
measure steps 170
measure steps-more 70
tests tests-kernels 90 tests/test_device.py tests/test_compile.py tests/test_cuda_*.py ${TESTS:+-k "$TESTS"}
"$python" benchmarks/gpu_report.py write "$parts" "$devices" "$out"
