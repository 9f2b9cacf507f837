// What a reader of the page would see, measured from outside: the page itself runs no script.
(() => {
  const numbers = text => text.match(/[\d.]+/g).map(Number);
  const over = (top, below) => {
    const alpha = top[3] ?? 1;
    return [0, 1, 2].map(n => top[n] * alpha + below[n] * (1 - alpha));
  };
  const paper = element => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(numbers(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  // WCAG 2.2: relative luminance and contrast ratio.
  const light = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = element => {
    const below = paper(element);
    const [high, low] = [light(over(numbers(getComputedStyle(element).color), below)), light(below)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const kind = element => (element.closest("a, code, pre, td, th, summary, h1, h2, h3, h4, blockquote") ?? document.body).localName;
  const contrasts = {};
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.localName == "style") continue;
    contrasts[kind(element)] = Math.min(contrasts[kind(element)] ?? 21, contrast(element));
  }
  const scrolls = element => element && (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
  const right = element => element.getBoundingClientRect().right;
  return {
    title: document.title,
    width: document.documentElement.scrollWidth,
    contrasts,
    paper: paper(document.body),
    tables: [...document.querySelectorAll("table")].map(table => [...table.rows].map(row => row.cells.length)),
    pictures: [...document.images].map(image => ({
      width: image.naturalWidth,
      shown: image.getBoundingClientRect().width,
    })),
    links: [...document.querySelectorAll("a")].map(link => link.getAttribute("href")),
    targets: [...document.querySelectorAll("a[href^='#']")].map(link => !!document.getElementById(decodeURIComponent(link.hash.slice(1)))),
    elements: [...new Set([...document.querySelectorAll("body *")].map(element => element.localName))].sort(),
    attributes: [...new Set([...document.querySelectorAll("body *")].flatMap(element => element.getAttributeNames()))].sort(),
    // Ends of text that stand outside the window and in no box of their own that scrolls.
    outside: [...document.querySelectorAll("main *")].filter(e => right(e) > WIDTH + 1 && !scrolls(e)).map(e => e.outerHTML.slice(0, 200)),
  };
})()
