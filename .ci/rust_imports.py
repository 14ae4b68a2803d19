"""Reads the imports between the source files of one Rust crate: `edges_of(src)` is the entry.

The reader knows as much Rust as it needs: tokens, `mod`, `use` trees, items, and paths in code. It follows re-exports and
globs to the file that defines a name. It does not expand macros: a word inside a macro, or inside a macro call at module
level, counts as an item that the macro may define.
"""
import os
import re
from collections import defaultdict

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*)|(?P<comment>/\*)
    |(?P<str>\bb?c?r(?P<hash>\#*)"(?:.|\n)*?"(?P=hash)|\b[bc]?"(?:\\.|\\\n|[^"\\])*"|"(?:\\.|\\\n|[^"\\])*")
    |(?P<char>\bb?'(?:\\[^\n]+?|[^\\'\n])'|'(?:\\[^\n]+?|[^\\'\n])')|(?P<life>'\w+)
    |(?P<word>(?:r\#)?\w+)|(?P<sep>::)|(?P<other>.)""", re.X)
ITEMS = {"fn", "struct", "enum", "union", "trait", "type", "const", "static"}
HEADS = ITEMS | {"mod", "use", "impl", "unsafe", "async", "extern", "macro_rules"}
CLOSE = {"(": ")", "[": "]", "{": "}"}


def tokens(text):
    """The tokens of a Rust source as (text, line), without comments; a string keeps its quotes."""
    out, at, line = [], 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        end = match.end()
        if match["comment"]:
            depth = 1
            while depth and (mark := re.compile(r"/\*|\*/").search(text, end)):
                depth, end = depth + (1 if mark[0] == "/*" else -1), mark.end()
        elif not match["skip"]:
            out.append((match[0], line))
        line += text.count("\n", at, end)
        at = end
    return out


def group_end(toks, at):
    """The index after the group that opens at `at`."""
    depth = 0
    while at < len(toks):
        depth += (toks[at][0] in CLOSE) - (toks[at][0] in CLOSE.values())
        at += 1
        if depth == 0:
            break
    return at


def item_end(toks, at):
    """The index after the item, field, variant or arm that starts at `at`."""
    while toks[at][0] == "#":
        at = group_end(toks, at + 1)
    start = at + (toks[at][0] == "pub")
    if toks[start][0] == "(":
        start = group_end(toks, start)
    head = toks[start][0]
    while at < len(toks) and toks[at][0] not in CLOSE.values():
        here = toks[at][0]
        if here in CLOSE:
            at = group_end(toks, at)
            if here == "{" and head != "use":
                return at
        elif here == ";" or (here == "," and head not in HEADS):
            return at + 1
        else:
            at += 1
    return at


def without_tests(toks):
    """Drops what `#[cfg(test)]` and `#[cfg(all(test, ..))]` leave out of a build."""
    out, at = [], 0
    while at < len(toks):
        if toks[at][0] == "#":
            inner = toks[at + 1][0] == "!"
            end = group_end(toks, at + 1 + inner)
            attribute = "".join(text for text, _ in toks[at + 1 + inner:end])
            if re.match(r"\[cfg\((test\)|all\((.*,)?test[,)])", attribute):
                if inner:
                    return []
                at = item_end(toks, end)
                continue
        out.append(toks[at])
        at += 1
    return out


class Module:
    """One module: its file, its parent, and what each name in it stands for."""

    def __init__(self, file, parent, folder):
        self.file, self.parent, self.folder = file, parent, folder
        self.root = parent.root if parent else self
        self.names = defaultdict(list)  # name -> Module | "item" | Use
        self.local = defaultdict(list)  # the same, for `use` inside functions
        self.globs, self.paths, self.macro_words = [], [], set()


class Use:
    def __init__(self, module, path, line):
        self.module, self.path, self.line = module, path, line


def read_module(module, files):
    """Reads the file of a module, and the files of its children."""
    files.append(module.file)
    with open(module.file, encoding="utf-8") as source:
        toks = without_tests(tokens(source.read()))
    stack, at, path_attribute = [module], 0, None
    word = lambda i: toks[i][0] if i < len(toks) else ""
    while at < len(toks):
        text, line = toks[at]
        here = next(m for m in reversed(stack) if m)
        top = stack[-1] is not None
        if text == "#" and word(at + 1) == "[" and word(at + 2) == "path":
            path_attribute, at = word(at + 4).strip('"'), group_end(toks, at + 1)
        elif text == "mod" and top and word(at + 2) in ("{", ";"):
            name = word(at + 1)
            folder = os.path.join(here.folder, name)
            if word(at + 2) == "{":
                child = Module(module.file, here, folder)
                stack.append(child)
                here.names[name].append(child)
            elif name != "tests":
                given = path_attribute and os.path.join(os.path.dirname(module.file), path_attribute)
                file = next(f for f in (given, folder + ".rs", os.path.join(folder, "mod.rs")) if f and os.path.isfile(f))
                child = Module(file, here, folder)
                here.names[name].append(child)
                read_module(child, files)
            at, path_attribute = at + 3, None
        elif text == "use" and word(at + 1) not in ("<", "$"):  # `impl Trait + use<..>` names no path
            at = read_use(toks, at + 1, [], here, here.names if top else here.local)
        elif text in CLOSE:
            if text == "{":
                stack.append(None)
            at += 1
        elif text == "}":
            stack.pop()
            at += 1
        elif top and text == "macro_rules":
            here.names[word(at + 2)].append("item")
            here.macro_words.update(t for t, _ in toks[at + 4:group_end(toks, at + 3)])
            at += 3
        elif top and word(at + 1) == "!" and word(at + 2) in CLOSE:
            here.macro_words.update(t for t, _ in toks[at + 3:group_end(toks, at + 2)])
            at += 2
        elif top and text in ITEMS and re.match(r"\w", word(at + 1)) and word(at + 1) not in HEADS:
            here.names[word(at + 1)].append("item")
            at += 2
        elif re.match(r"[A-Za-z_]", text) and word(at + 1) == "::" and word(at - 1) != "::":
            path = [text]
            while word(at + 1) == "::" and re.match(r"\w", word(at + 2)):
                path.append(word(at + 2))
                at += 2
            here.paths.append(Use(here, path, line))
            at += 1
        else:
            at += 1


def read_use(toks, at, prefix, module, names):
    """Reads one use tree from `at`, which ends at `;`, `,` or `}`. Returns the index after it."""
    path, alias = list(prefix), None
    while toks[at][0] not in (";", ",", "}"):
        text, line = toks[at]
        if text == "{":
            at += 1
            while toks[at][0] != "}":
                at = read_use(toks, at, path, module, names)
                at += toks[at][0] == ","
            path = None
        elif text == "*":
            module.globs.append(Use(module, path, line))
            module.paths.append(Use(module, path, line))
            path = None
        elif text == "as":
            at += 1
            alias = toks[at][0]
        elif text == "::" and not path:
            path = ["::"]
        elif text != "::" and not (text == "self" and path):
            path.append(text)
        last = line
        at += 1
    if path:
        use = Use(module, path, last)
        module.paths.append(use)
        if (alias or path[-1]) != "_":
            names[alias or path[-1]].append(use)
    return at + (toks[at][0] == ";")


def resolve(module, path, seen=frozenset(), local=False):
    """Where a path leads, as (Module | file | None if outside of the crate, files of the re-exports passed)."""
    head, rest = path[0], path[1:]
    if head in ("crate", "self", "super"):
        start = {"crate": module.root, "self": module, "super": module.parent}[head]
        if rest and rest[0] == "super":
            return resolve(start, rest, seen)
        return walk(start, rest, seen)
    if head in module.names or (local and head in module.local):
        return walk(module, path, seen, local)
    return [end for glob in module.globs if (module, head, "*") not in seen
            for end in through(module, glob, path, seen | {(module, head, "*")}, quiet=True)]


def through(module, use, rest, seen, quiet=False):
    """Follows a `use` of a module, then the rest of the path."""
    ends = []
    for end, passed in resolve(module, use.path, seen) or ([] if quiet else [(None, frozenset())]):
        passed |= {use.module.file}
        if isinstance(end, Module) and rest:
            ends += [(far, passed | more) for far, more in walk(end, rest, seen)]
        else:
            ends.append((end, passed))
    return ends


def walk(module, path, seen, local=False):
    if not path:
        return [(module, frozenset())]
    name, rest, ends = path[0], path[1:], []
    if (module, name) in seen:
        return []
    seen = seen | {(module, name)}
    for bound in module.names.get(name, []) + (module.local.get(name, []) if local else []):
        if isinstance(bound, Module):
            ends += walk(bound, rest, seen)
        elif isinstance(bound, Use):
            ends += through(module, bound, rest, seen)
        elif not (rest and any(isinstance(b, Module) for b in module.names[name])):
            ends.append((module.file, frozenset()))
    if not ends and name in module.macro_words:
        ends.append((module.file, frozenset()))
    for glob in module.globs if not ends else []:
        ends += through(module, glob, path, seen, quiet=True)
    return ends


def modules_of(module):
    yield module
    for bound in [b for bounds in module.names.values() for b in bounds]:
        if isinstance(bound, Module):
            yield from modules_of(bound)


def edges_of(src):
    """The edges of one crate: (from, to) -> [(line, path)], and the paths that lead nowhere."""
    edges, lost, files = defaultdict(list), [], []
    for name in ("lib.rs", "main.rs"):
        if not os.path.isfile(os.path.join(src, name)):
            continue
        root = Module(os.path.join(src, name), None, src)
        read_module(root, files)
        for module in modules_of(root):
            for use in module.paths:
                ends = resolve(module, use.path, local=True)
                if not ends and use.path[0] in ("crate", "self", "super"):
                    lost.append(f"{module.file}:{use.line}: {'::'.join(use.path)} leads nowhere")
                for end, passed in ends:
                    goal = end.file if isinstance(end, Module) else end
                    for file in (passed | ({goal} if goal else set())) - {module.file}:
                        edges[module.file, file].append((use.line, "::".join(use.path)))
    return edges, lost, files
