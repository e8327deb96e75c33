"""All cells of a grid against one cached prefix: as rows of a batch, or as positions of one sequence.

A lane is a row of the batch with its own copy of the prefix; it holds `width` cells side by side, each of which sees the
prefix and its own tokens. That takes a 4-D mask and explicit positions, which ALiBi models refuse and sliding windows
ignore. The batched form has a lane per cell and needs neither: ordinary causal decoding, which every architecture can do. Where the
plain model can run the cells, no lane is needed: they are rows that share one prefix (`rows`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import torch
from torch import Tensor
from transformers import DynamicCache

from interp.interventions.edits import hook_of
from interp.interventions.grid.cells import Cells, Greedy, Prefix, Scored, Tails, fork
from interp.interventions.grid.rows import Rows, can_share
from interp.models.hooks import Hook, Hooks
from interp.models.plain.model import Plain
from interp.models.plain.runner import runner

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


@dataclass(frozen=True)
class Lanes:
    """Where each cell stands: `lanes` per item, `width` cells per lane; what is left over in the last lane is filled with
    copies of the last cell and thrown away. `plain` lanes hold one cell each, read causally."""

    items: int
    cells: int
    lanes: int
    plain: bool = False

    @property
    def width(self) -> int:
        """Cells per lane."""
        return math.ceil(self.cells / self.lanes)

    @property
    def rows(self) -> int:
        """Rows of the batch: every lane of every item."""
        return self.items * self.lanes

    def locate(self, cells: Tensor, nodes: int = 1) -> tuple[Tensor, Tensor]:
        """Row and column of the first of the `nodes` of each of `cells`, in every item: two `[item cell]`."""
        device = cells.device
        row = torch.arange(self.items, device=device)[:, None] * self.lanes + cells[None] // self.width
        return row, (cells[None] % self.width * nodes).expand_as(row)

    def scatter(self, values: Tensor) -> Tensor:
        """`values` from `[item*cell]` to `[row width]`, the inverse of `gather`."""
        spare = self.lanes * self.width - self.cells
        values = values.reshape(self.items, self.cells)
        return torch.cat([values, values[:, -1:].expand(-1, spare)], dim=1).reshape(self.rows, self.width)

    def gather(self, values: Tensor) -> Tensor:
        """`values` from `[row width ...]` back to `[item cell ...]`."""
        return values.reshape(self.items, self.lanes * self.width, *values.shape[2:])[:, : self.cells]


class Seen(TypedDict):
    """What tells the tokens of one forward what they see and where they stand, as arguments of the model."""

    attention_mask: Tensor
    position_ids: NotRequired[Tensor]


@dataclass(frozen=True)
class Tree:
    """The tokens that a cell reads: the last of the prompt, then the continuations branching from it. `seen[i, j]` where token
    i looks at token j; `depth` how far behind the prompt's last token each stands."""

    tokens: Tensor
    depth: Tensor
    seen: Tensor
    ends: list[list[tuple[int, int]]]

    def __len__(self) -> int:
        return len(self.tokens)


def grow_tree(last: int, tails: Sequence[Sequence[int]]) -> Tree:
    """One tree per item: the `last` token of the prompt, then the `tails` (options), of which those that begin alike share nodes.

    `ends[option]` lists (node, next token): which node predicts which token of that option.
    """
    tokens, depth, parents, ends = [last], [0], [-1], []
    node_after: dict[tuple[int, int], int] = {}
    for tail in tails:
        node, path = 0, []
        for index, token in enumerate(tail):
            path.append((node, token))
            if index + 1 < len(tail):
                if (node, token) not in node_after:
                    node_after[node, token] = len(tokens)
                    tokens.append(token)
                    depth.append(index + 1)
                    parents.append(node)
                node = node_after[node, token]
        ends.append(path)
    seen = torch.eye(len(tokens), dtype=torch.bool)
    for node in range(1, len(tokens)):
        seen[node] |= seen[parents[node]]
    return Tree(torch.tensor(tokens), torch.tensor(depth), seen, ends)


def fill_tree(tree: Tree, nodes: int) -> Tree:
    """`tree` with idle nodes behind it, `nodes` in all, so that the trees of all items have one size."""
    idle = nodes - len(tree)
    seen = torch.eye(nodes, dtype=torch.bool)
    seen[: len(tree), : len(tree)] = tree.seen
    pad = (0, idle)
    return Tree(torch.nn.functional.pad(tree.tokens, pad), torch.nn.functional.pad(tree.depth, pad), seen, tree.ends)


@torch.no_grad()
def packed(model: TransformerBridge, prefix: Prefix, cells: Cells, tails: Tails, *, batched: bool = False) -> Scored:
    """Next-token logits and continuation scores of every cell, in one call (`batched`: one call per continuation).

    `model` goes on from `prefix`, what it has read before the last token, under `cells`; `tails[item]` are the continuations.
    """
    items, longest = len(prefix.last), max(map(len, tails))
    if not batched or longest == 0:
        return Scored(*_read_trees(model, prefix, cells, tails, batched))
    parts = [_read_trees(model, prefix, cells, [tail[option : option + 1] for tail in tails], True) for option in range(longest)]
    return Scored(parts[0][0], [torch.cat([scores[item] for _, scores in parts], dim=1) for item in range(items)])


def _read_trees(model: TransformerBridge, prefix: Prefix, cells: Cells, tails: Tails, plain: bool) -> tuple[Tensor, list[Tensor]]:
    trees = [grow_tree(int(last), tail) for last, tail in zip(prefix.last, tails, strict=True)]
    nodes = max(map(len, trees))
    trees = [fill_tree(tree, nodes) for tree in trees]
    if not plain and (running := can_share(model, cells)) is not None:
        rows = Rows(running, prefix, cells, torch.stack([tree.seen for tree in trees]))
        tokens, depth = (
            torch.stack(each).to(prefix.last.device) for each in zip(*[(t.tokens, t.depth) for t in trees], strict=True)
        )
        logits = rows.read(tokens[:, None].expand(-1, len(cells), -1), depth)
        return logits[:, :, 0], [_sum_path(logits[item], tree) for item, tree in enumerate(trees)]
    count = len(cells) if plain else lanes_for(len(cells), 2 * nodes**2, prefix.mask.shape[1])
    lanes = Lanes(len(prefix.last), len(cells), count, plain)
    past = fork(prefix.past, lanes.lanes, room=lanes.width * nodes)
    logits = _forward(model, prefix, cells, lanes, trees, past)
    return logits[:, :, 0], [_sum_path(logits[item], tree) for item, tree in enumerate(trees)]


def _sum_path(logits: Tensor, tree: Tree) -> Tensor:
    if not tree.ends:
        return logits.new_zeros(len(logits), 0)
    log_probs = logits.float().log_softmax(-1)
    return torch.stack([torch.stack([log_probs[:, node, token] for node, token in path]).sum(0) for path in tree.ends], dim=1)


def _forward(model: TransformerBridge, prefix: Prefix, cells: Cells, lanes: Lanes, trees: list[Tree], past: DynamicCache) -> Tensor:
    """Logits of every node of every cell, `[item cell node vocab]`."""
    nodes = len(trees[0])
    tokens = torch.stack([tree.tokens for tree in trees]).to(prefix.last.device)
    hooks = _hooks(cells, lanes, nodes)
    logits = runner(model, [str(name) for name, _ in hooks]).run_with_hooks(
        tokens.repeat_interleave(lanes.lanes, 0).repeat(1, lanes.width),
        past_key_values=past,
        fwd_hooks=hooks,
        **_seeing(prefix, lanes, trees, dtype_of(model)),
    )
    return lanes.gather(logits.reshape(lanes.rows, lanes.width, nodes, -1))


def _hooks(cells: Cells, lanes: Lanes, nodes: int) -> Hooks:
    hooks: Hooks = []
    rows, columns = lanes.locate(torch.arange(len(cells), device=cells.donors.device), nodes)
    for block in cells.blocks:
        own = slice(*cells.spans[block])
        hook = _writer(cells, (rows[:, own], columns[:, own]), cells.values[:, own])
        hooks.append((hook_of(cells.transplant.target_site, block), hook))
    return hooks


def _writer(cells: Cells, where: tuple[Tensor, Tensor], donors: Tensor) -> Hook:
    return lambda activation, hook: cells.transplant.write(activation, where, donors)


def _seeing(prefix: Prefix, lanes: Lanes, trees: list[Tree], dtype: torch.dtype, step: int = 0) -> Seen:
    """Mask and positions of the tokens read at one step: at step 0 the trees, later one token per cell."""
    before = prefix.mask.repeat_interleave(lanes.lanes, 0)
    if lanes.plain:
        return {"attention_mask": torch.cat([before, before.new_ones(lanes.rows, len(trees[0]) + step)], dim=1)}
    cell = torch.eye(lanes.width, dtype=torch.bool)
    tree_mask = torch.stack([torch.kron(cell, tree.seen) if step == 0 else cell.repeat(1, step + 1) for tree in trees])
    tree_mask = tree_mask.to(before.device).repeat_interleave(lanes.lanes, 0)
    visible = torch.cat([before.bool()[:, None].expand(-1, tree_mask.shape[1], -1), tree_mask], dim=2)
    behind = torch.stack([tree.depth.repeat(lanes.width) + step for tree in trees]).repeat_interleave(lanes.lanes, 0)
    return {
        "attention_mask": additive(visible, dtype),
        "position_ids": before.sum(1, keepdim=True) + behind.to(before.device),
    }


def additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """`visible`, a boolean `[row query key]`, as the mask of `dtype` that is added to the scores, `[row 1 query key]`."""
    keys = visible.shape[-1]
    aligned = torch.zeros(*visible.shape[:-1], -(-keys // 16) * 16, dtype=dtype, device=visible.device)  # rows a GPU loads at once
    return aligned[..., :keys].masked_fill_(~visible, torch.finfo(dtype).min)[:, None]


def dtype_of(model: TransformerBridge) -> torch.dtype:
    """The type of the weights of `model`."""
    return next(model.original_model.parameters()).dtype


@torch.no_grad()
def packed_generate(
    model: TransformerBridge, prefix: Prefix, cells: Cells, steps: int, stops: Sequence[int], *, batched: bool = False
) -> tuple[Tensor, Tensor]:
    """Greedy continuations `[item cell token]` of every cell and the smallest top-2 margin met `[item cell]`.

    `model` goes on from `prefix` under `cells` by at most `steps` tokens, up to one of `stops` (ids); `batched`: a lane per cell.
    """
    if not batched and (running := can_share(model, cells)) is not None:
        return _generate_rows(running, prefix, cells, steps, stops)
    count = len(cells) if batched else lanes_for(len(cells), steps, prefix.mask.shape[1])
    lanes = Lanes(len(prefix.last), len(cells), count, batched)
    trees = [grow_tree(int(last), ()) for last in prefix.last]
    past = fork(prefix.past, lanes.lanes, room=lanes.width * steps)
    greedy = Greedy(_forward(model, prefix, cells, lanes, trees, past).flatten(0, 2), stops)
    while greedy.steps < steps and not greedy.finished:
        tokens = lanes.scatter(greedy.tokens[-1])
        logits = runner(model, ()).run_with_hooks(
            tokens, fwd_hooks=[], past_key_values=past, **_seeing(prefix, lanes, trees, dtype_of(model), greedy.steps)
        )
        greedy.take(lanes.gather(logits).flatten(0, 1))
    tokens, margin = greedy.result(steps)
    return tokens.reshape(lanes.items, lanes.cells, steps), margin.reshape(lanes.items, lanes.cells)


def _generate_rows(plain: Plain, prefix: Prefix, cells: Cells, steps: int, stops: Sequence[int]) -> tuple[Tensor, Tensor]:
    items = len(prefix.last)
    rows = Rows(plain, prefix, cells, torch.arange(steps).eq(0).expand(items, 1, steps))
    last = prefix.last[:, None, None].expand(-1, len(cells), 1)
    greedy = Greedy(rows.read(last, prefix.last.new_zeros(items, 1)).flatten(0, 2), stops)
    step = rows.steps()
    while greedy.steps < steps and not greedy.finished:
        greedy.take(step(greedy.tokens[-1].view(items, len(cells))))
    tokens, margin = greedy.result(steps)
    return tokens.reshape(items, len(cells), steps), margin.reshape(items, len(cells))


def lanes_for(cells: int, load: int, length: int) -> int:
    """How many lanes for `cells` cost least: each copies a prefix of this `length`, each cell is scored against its whole lane.

    Copying a key costs about twelve times scoring it. `load` is how many steps follow, of which half are there on average, or
    twice the square of the tokens that each cell reads in one step.
    """
    lanes = min(cells, max(1, round(cells * math.sqrt(load / (24 * max(length, 1))))))
    return math.ceil(cells / math.ceil(cells / lanes))
