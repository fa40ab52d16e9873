// What the page can do beyond being read: theme, sorting, filters, hover, copying. Without it nothing is missing but these.
{
  const root = document.documentElement;
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

  // Theme: the system's until the button says otherwise.
  {
    const button = make('button', { className: 'plain theme', type: 'button' });
    const isDark = () =>
      (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) ===
      'dark';
    const show = () => {
      button.textContent = isDark() ? 'Light' : 'Dark';
      button.setAttribute('aria-label', `${button.textContent} theme`);
    };
    button.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      show();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
    show();
    document.querySelector('main').prepend(button);
  }

  // Tables: a click on a column's head sorts by it, another the other way.
  const order = new Intl.Collator(undefined, { numeric: true });
  const figureOf = (cell) => {
    const text = cell.textContent.replace('−', '-');
    return text === 'head only' ? Number.POSITIVE_INFINITY : Number.parseFloat(text);
  };
  const sort = (table, head) => {
    const column = head.cellIndex;
    const isAscending = head.ariaSort !== 'ascending';
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    head.ariaSort = isAscending ? 'ascending' : 'descending';
    const body = table.tBodies[0];
    const isFigure = head.classList.contains('n');
    const rows = [...body.rows].map((row) => ({ row, cell: row.cells[column] }));
    rows.sort((a, b) => {
      const [first, second] = isAscending ? [a, b] : [b, a];
      if (!isFigure) return order.compare(first.cell.textContent, second.cell.textContent);
      const [x, y] = [figureOf(first.cell), figureOf(second.cell)];
      // What has no figure stands at the end, whichever way.
      if (Number.isNaN(x) || Number.isNaN(y))
        return Number.isNaN(figureOf(a.cell)) - Number.isNaN(figureOf(b.cell));
      return x === y ? 0 : x - y;
    });
    body.append(...rows.map(({ row }) => row));
  };
  for (const table of document.querySelectorAll('table:not(.fixed)')) {
    if (table.tBodies[0].rows.length < 3) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = make('button', { type: 'button' });
      button.append(...head.childNodes);
      head.append(button);
    }
    table.tHead.addEventListener('click', ({ target }) => {
      if (target.closest('button')) sort(table, target.closest('th'));
    });
  }

  // Long tables: rows that hold all of the words.
  for (const table of document.querySelectorAll('main table:not(.fixed)')) {
    if (table.tBodies[0].rows.length < 15 || table.closest('details')) continue;
    const id = `rows-${document.querySelectorAll('.controls').length}`;
    const input = make('input', { id, type: 'search', autocomplete: 'off', spellcheck: false });
    const field = make('span', {});
    field.append(make('label', { textContent: 'rows with', htmlFor: id }), input);
    const count = make('p', { className: 'count' });
    count.role = 'status';
    const controls = make('div', { className: 'controls' });
    controls.append(field, count);
    table.parentElement.before(controls);
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\s+/);
      const rows = [...table.tBodies[0].rows];
      for (const row of rows) {
        const text = [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(' ');
        row.hidden = !words.every((word) => text.includes(word));
      }
      count.textContent =
        input.value && `${rows.filter(({ hidden }) => !hidden).length} of ${rows.length} rows`;
    });
  }

  // Examples: two scenarios, kind, type, words.
  const examples = document.getElementById('examples');
  if (examples) {
    const form = examples.querySelector('form');
    form.hidden = false;
    const more = examples.querySelector('details');
    const items = [...examples.querySelectorAll('[data-a]')].map((item) => ({
      item,
      answerOf: item.dataset.a.split(' ').map(Number),
      // The first line is the gold one.
      answers: [...item.querySelectorAll('[data-e]')].map((line) => ({
        line,
        errors: line.dataset.e.split(' ').map((error) => error.split('.')),
      })),
      words: item.querySelector('.said').textContent.toLowerCase(),
    }));
    const status = form.querySelector('.count');
    const filter = () => {
      const { right, wrong, kind, type, words } = Object.fromEntries(new FormData(form));
      const isAsked = ([of, gold, predicted]) =>
        (kind === '' || of === kind) && (type === '' || gold === type || predicted === type);
      let shown = 0;
      for (const { item, answerOf, answers, words: text } of items) {
        let isShown = text.includes(words.toLowerCase().trim()) && (right === '' || answerOf[right] === 0);
        let hasAnswer = false;
        for (const [index, { line, errors }] of answers.entries()) {
          const isIt = (wrong === '' || answerOf[wrong] === index + 1) && errors.some(isAsked);
          line.hidden = !isIt;
          hasAnswer ||= isIt;
        }
        isShown &&= hasAnswer;
        item.hidden = !isShown;
        shown += isShown;
      }
      status.textContent = `${shown} of ${items.length} sentences`;
      // What is looked for may be folded.
      if (more && shown < items.length) more.open = true;
    };
    form.addEventListener('input', filter);
    form.addEventListener('submit', (event) => event.preventDefault());
    // The fields are empty after the event.
    form.addEventListener('reset', () => setTimeout(filter));
    filter();
  }

  // Figures: the number of the mark that the pointer is nearest to.
  {
    const REACH = 28;
    const tip = document.body.appendChild(make('div', { className: 'tip', hidden: true }));
    let marked = null;
    const hide = () => {
      marked?.classList.remove('on');
      marked = null;
      tip.hidden = true;
    };
    const show = (mark, { x, y }) => {
      if (mark !== marked) {
        hide();
        marked = mark;
        mark.classList.add('on');
        tip.textContent = mark.dataset.tip;
        tip.hidden = false;
      }
      const { offsetWidth: width, offsetHeight: height } = tip;
      tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
      tip.style.top = `${y - height - 12 < 4 ? y + 16 : y - height - 12}px`;
    };
    const distance = (box, x, y) =>
      Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
    for (const plot of document.querySelectorAll('.plot')) {
      const marks = [...plot.querySelectorAll('.pf-mark')];
      for (const mark of marks) {
        const title = mark.querySelector('title');
        mark.dataset.tip = title?.textContent ?? '';
        // The browser would show it a second time.
        title?.remove();
      }
      const point = (event) => {
        let [best, least] = [null, REACH];
        for (const mark of marks) {
          const far = distance(mark.getBoundingClientRect(), event.clientX, event.clientY);
          if (far < least) [best, least] = [mark, far];
        }
        if (best === null) hide();
        else show(best, { x: event.clientX, y: event.clientY });
      };
      plot.addEventListener('pointermove', point);
      plot.addEventListener('pointerdown', point);
      plot.addEventListener('pointerleave', hide);
    }
    addEventListener('scroll', hide, { passive: true });
    addEventListener('keydown', ({ key }) => key === 'Escape' && hide());
  }

  // Commands: a button that copies them, where the browser lets a page do so.
  for (const block of navigator.clipboard ? document.querySelectorAll('.code') : []) {
    const button = make('button', { className: 'plain copy', type: 'button', textContent: 'Copy' });
    button.addEventListener('click', async () => {
      const copied = navigator.clipboard.writeText(block.querySelector('code').textContent);
      button.textContent = await copied.then(
        () => 'Copied',
        () => 'Not allowed',
      );
    });
    block.append(button);
  }

  // Paper shows what is folded; afterwards it is as it was.
  const folded = [];
  addEventListener('beforeprint', () => {
    for (const part of document.querySelectorAll('main details:not([open], .more)')) {
      folded.push(part);
      part.open = true;
    }
  });
  addEventListener('afterprint', () => {
    for (const part of folded.splice(0)) part.open = false;
  });
}
