"""The names of `interp` and their types, for editors and type checkers; `__init__.py` imports each when it is first used."""

from interp.activations.capture import capture as capture
from interp.activations.store import Activations as Activations
from interp.generation.loss import sentence_losses as sentence_losses
from interp.interventions.steering import ablated as ablated
from interp.interventions.steering import erased as erased
from interp.interventions.steering import steered as steered
from interp.interventions.transplant import transplant_grid as transplant_grid
from interp.interventions.transplant import transplanted as transplanted
from interp.lens.train import train_lens as train_lens
from interp.lens.tuned_lens import load_lens as load_lens
from interp.models.identity import identify as identify
from interp.models.load import load as load
from interp.models.load import random_init as random_init
from interp.neurons import count_neurons as count_neurons
from interp.text.corpus import ParallelCorpus as ParallelCorpus
from interp.text.corpus import ParallelTask as ParallelTask
from interp.text.own_text import Reader as Reader
from interp.text.own_text import TaskReader as TaskReader
from interp.text.read import read as read
from interp.text.read import read_task as read_task
from interp.token_view import show_tokens as show_tokens

__all__: list[str]
__version__: str
