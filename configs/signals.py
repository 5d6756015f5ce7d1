"""Two random parts of a signal, with noise and a gap: speakers by their vowels.

    pip install "keras_infomax[programs,signals]"
    python -m trainers.train --config=configs/signals.py --workdir=runs/signals
