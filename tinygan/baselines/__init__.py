"""Generators that are fitted to images by counting, copying and bending: what a GAN has to beat."""

from tinygan.baselines.copying import Quilting, Texture
from tinygan.baselines.fitted import Fitted
from tinygan.baselines.markov import Markov
from tinygan.baselines.template import Template

__all__ = ["BASELINES", "Fitted", "Markov", "Quilting", "Template", "Texture"]

BASELINES: dict[str, type[Fitted]] = {
    "markov": Markov,
    "texture": Texture,
    "quilting": Quilting,
    "template": Template,
}
