// Elements from descriptions, and the smallest change from one description to the next.
//
// All text goes into text nodes, and nothing is parsed as HTML. A row that has the focus is never
// removed or moved away from it.

const SVG = "http://www.w3.org/2000/svg";

// Describes an element. `key` tells it from its siblings when their order changes.
// Properties: `onclick` and the like are functions, `style` is an object; the rest are attributes.
export function h(tag, props, ...children) {
  return { tag, props: props || {}, children };
}

// Describes an SVG element.
export function s(tag, props, ...children) {
  return { tag, props: props || {}, children, namespace: SVG };
}

// Describes a place for an element that takes care of itself.
export function mounted(element) {
  return { element };
}

// Changes the children of `parent` to what is described.
export function patch(parent, children) {
  const active = document.activeElement;
  reconcile(parent, children);
  if (active !== document.activeElement && active?.isConnected) active.focus({ preventScroll: true });
}

function reconcile(parent, children) {
  const old = new Map([...parent.childNodes].map((node) => [node.patchKey, node]));
  const seen = {};
  const nodes = children.flat(Infinity).filter((item) => item || item === 0).map((item) => {
    const key = keyOf(item, seen);
    const node = item.element || old.get(key) || create(item);
    node.patchKey = key;
    if (node.isRetired) {
      node.isRetired = false;
      node.classList.remove("gone");
    }
    update(node, item);
    return node;
  });
  const kept = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!kept.has(node)) retire(node);
  let next = parent.firstChild;
  for (const node of nodes) {
    while (next?.isRetired) next = next.nextSibling;
    if (next === node) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

function keyOf(item, seen) {
  if (item.element) return item.element;
  const tag = item.tag || "#text";
  if (item.props?.key !== undefined) return `${tag} ${item.props.key}`;
  seen[tag] = (seen[tag] || 0) + 1;
  return `${tag}#${seen[tag]}`;
}

function create(item) {
  if (!item.tag) return document.createTextNode("");
  return item.namespace ? document.createElementNS(item.namespace,
    item.tag) : document.createElement(item.tag);
}

function update(node, item) {
  if (item.element) return;
  if (!item.tag) {
    const text = visible(String(item));
    if (node.nodeValue !== text) node.nodeValue = text;
    return;
  }
  reconcile(node, item.children); // first, because the value of a select needs its options
  const before = node.patchProps || {};
  for (const name in before) if (!(name in item.props)) setProp(node, name, null);
  for (const name in item.props) if (before[name] !== item.props[name]) setProp(node, name, item.props[name]);
  node.patchProps = item.props;
}

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

// Returns text with control characters and signs of direction as escapes: they could make one
// command look like another.
export function visible(text) {
  return text.replace(UNSEEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const PROPERTIES = new Set(["value", "checked", "indeterminate", "open"]);

function setProp(node, name, value) {
  if (name === "key") return;
  if (name === "style") {
    for (const [key, text] of Object.entries(value || {})) node.style.setProperty(key, text);
  } else if (name.startsWith("on")) {
    node[name] = value;
  } else if (PROPERTIES.has(name)) {
    if (node[name] !== (value ?? "")) node[name] = value ?? "";
  } else if (value === null || value === undefined || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? "" : visible(String(value)));
  }
}

// Removes a node. A row that has the focus stays, marked, until the focus leaves it; of another
// element, the focus goes to the content.
function retire(node) {
  const hasFocus = node.nodeType === Node.ELEMENT_NODE && node.contains(document.activeElement);
  if (!hasFocus || !node.matches("tr, li")) {
    node.remove();
    if (hasFocus) document.getElementById("main").focus({ preventScroll: true });
    return;
  }
  if (node.isRetired) return;
  node.isRetired = true;
  node.classList.add("gone");
  node.addEventListener("focusout", () => setTimeout(() => node.isRetired && node.remove()), { once: true });
}

// Returns whether the person has selected text in the content, which a redraw would destroy.
export function isSelecting() {
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed
    && document.getElementById("main").contains(selection.anchorNode));
}
