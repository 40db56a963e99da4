#!/usr/bin/env bash
# All that a GPU has to show, in one go and in under 8 minutes: tests, ceilings, operations,
# transfers, training steps beside PyTorch's, registers. Needs Python with NumPy, CuPy, Numba,
# Pillow, pytest and hypothesis, and PyTorch to compare with; no network. Where cuDNN's frontend is
# installed (cudnn12 in pyproject.toml) our steps are timed with its convolutions too.
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
kernels=()  # tests of them that need a device: not the compiler's, nor the stand-in's
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

cd "$root"
for file in tests/test_cuda_*.py; do
    case $file in *_sources.py | *_on_host.py) ;; *) kernels+=("$file") ;; esac
done
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
    "$python" -c 'import xdist' 2>/dev/null && side="-n ${WORKERS:-12}"
    # shellcheck disable=SC2086
    part "$name" "$limit" "$python" -m pytest -v --tb=short -W default -p no:cacheprovider $side "$@"
}

report() {
    local all=$out/gpu-parts.tar.gz # of what was measured, where no page can be made of it
    if "$python" benchmarks/gpu_report.py write "$parts" "$devices" "$out"; then
        rm -f "$all"
    else
        tar -czf "$all" -C "$parts" --exclude=./numba .
    fi
}

measure machine 30
# meanwhile: the compilers of the CPU's and the GPU's kernels and of the registers' table
measure warm 130 &
warm=$!
measure warm-gpu 130 &
warm_gpu=$!
part registers 100 "$python" benchmarks/cuda_registers.py --sm 90 \
    --out "$parts/registers.md" --json "$parts/registers.json" &
registers=$!

# the most important first, and a report after each that leaves what it found
tests tests-gpu 130 tests/test_gpu.py ${TESTS:+-k "$TESTS"}
report
wait "$warm" "$warm_gpu" "$registers"
measure steps 160
report
measure ceilings 25
tests tests-kernels 75 tests/test_device.py tests/test_mixed_precision.py tests/test_grad_scaler.py \
    tests/test_compile.py "${kernels[@]}" -k "${TESTS:-cuda or test_device}"
report
measure ops 65
report
measure steps-more 70
measure tilings 45
measure transfers 15
report
