// Times that stay current, live parts that pause, favicon and title that tell the state.
'use strict';
(() => {
  const UNITS = [[86400, 'd'], [3600, 'h'], [60, 'min']];
  const zoneDate = new Intl.DateTimeFormat(undefined, {
    year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit',
    second: '2-digit', hourCycle: 'h23', timeZoneName: 'short',
  });
  // Ages are measured by the server's clock: a wrong clock in the browser must not age data.
  const skew = document.body.dataset.now ? Date.now() - document.body.dataset.now * 1000 : 0;

  // The same words as meters/ui/formats.py:duration.
  function duration(seconds) {
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 10) return `${+seconds.toFixed(1)} s`;
    for (const [size, name] of UNITS) {
      if (seconds >= 2 * size || (size === 86400 && seconds >= size)) return `${Math.round(seconds / size)} ${name}`;
    }
    return `${Math.round(seconds)} s`;
  }

  function utc(moment) {
    return `${moment.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  }

  function age(time, now) {
    const seconds = (now - Date.parse(time.dateTime)) / 1000;
    const words = Math.abs(seconds) < 1 ? 'now'
      : seconds >= 0 ? `${duration(Math.max(1, Math.floor(seconds)))} ago` : `in ${duration(-seconds)}`;
    if (time.textContent !== words) time.textContent = words;
  }

  function localise(root) {
    for (const time of root.querySelectorAll('time:not([data-local])')) {
      const moment = new Date(time.dateTime);
      const local = zoneDate.format(moment);
      if ('at' in time.dataset) { time.textContent = local; time.title = utc(moment); }
      else time.title = `${local}\n${utc(moment)}`;
      time.dataset.local = '';
    }
    for (const input of root.querySelectorAll('input[data-utc]:not([data-local])')) {
      input.value = localInput(input.dataset.utc);
      input.dataset.local = '';
    }
    for (const zone of root.querySelectorAll('[data-zone]')) zone.textContent = zoneName();
  }

  // datetime-local inputs hold the viewer's time; the form sends UTC.
  function localInput(iso) {
    if (!iso) return '';
    const moment = new Date(iso);
    return new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
  }

  function zoneName() {
    return zoneDate.formatToParts(new Date()).find((part) => part.type === 'timeZoneName').value;
  }

  document.addEventListener('formdata', (event) => {
    for (const input of event.target.querySelectorAll('input[data-utc]')) {
      const moment = new Date(input.value);
      if (input.value && !Number.isNaN(moment.valueOf())) event.formData.set(input.name, moment.toISOString());
    }
  });

  function tick() {
    if (document.hidden) return;
    const now = Date.now() - skew;
    for (const time of document.querySelectorAll('time[data-ago]')) age(time, now);
  }

  function announce() {
    const health = document.getElementById('health');
    if (!health) return;
    const { state, problems } = health.dataset;
    const icon = document.getElementById('favicon');
    const wanted = icon.dataset[state] || icon.dataset.idle;
    if (icon.getAttribute('href') !== wanted) icon.setAttribute('href', wanted);
    const bare = document.title.replace(/^\(\d+\) /, '');
    const title = problems > 0 ? `(${problems}) ${bare}` : bare;
    if (document.title !== title) document.title = title;
  }

  function refresh(root) { localise(root); tick(); announce(); }

  // A hidden tab asks for nothing; text that is being selected, and what is chosen or typed, isn't
  // swapped away.
  function resting(part) {
    const selection = getSelection();
    return document.hidden
      || part.querySelector('input[name=item]:checked, input[name=comment]:focus') !== null
      || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  document.addEventListener('htmx:beforeRequest', (event) => {
    const { elt } = event.detail;
    if (elt.matches('[data-live]') && resting(elt)) {
      event.preventDefault();
    }
  });

  let focused = null;
  document.addEventListener('htmx:beforeSwap', (event) => {
    const active = document.activeElement;
    if (active === document.body) return; // a second swap, before the first one has settled
    focused = event.detail.target?.contains(active) ? active.getAttribute('href') : null;
  });
  document.addEventListener('htmx:afterSettle', (event) => {
    refresh(document);
    if (!focused) return;
    const again = [...document.querySelectorAll('#live a, #health')].find((a) => a.getAttribute('href') === focused);
    again?.focus({ preventScroll: true });
    focused = null;
  });

  // What a form was refused for, above what it asked for; gone with its next answer.
  document.addEventListener('htmx:afterRequest', (event) => {
    const { elt, target, xhr } = event.detail;
    if (elt.matches('[data-live]')) return;
    document.getElementById('refused')?.remove();
    if (xhr.status !== 400 || !target.isConnected) return;
    const answer = new DOMParser().parseFromString(xhr.responseText, 'text/html');
    const refused = document.createElement('p');
    refused.id = 'refused';
    refused.className = 'notice error';
    refused.setAttribute('role', 'alert');
    refused.textContent = answer.querySelector('[data-reason]')?.textContent || 'The request was refused.';
    target.before(refused);
  });

  function online(yes) { document.body.classList.toggle('offline', !yes); }
  document.addEventListener('htmx:sendError', () => online(false));
  document.addEventListener('htmx:timeout', () => online(false));
  document.addEventListener('htmx:responseError', (event) => { if (event.detail.xhr.status >= 500) online(false); });
  document.addEventListener('htmx:afterRequest', (event) => { if (event.detail.successful) online(true); });

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) { tick(); window.htmx?.trigger(document.body, 'wake'); }
  });

  document.addEventListener('submit', (event) => {
    const words = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (words && !confirm(words)) event.preventDefault();
  });
  document.addEventListener('change', (event) => {
    const all = event.target.closest('[data-check-all]');
    if (all) for (const box of all.closest('table').querySelectorAll('input[name=item]')) box.checked = all.checked;
    if (event.target.form?.matches('[data-autosubmit]')) event.target.form.requestSubmit();
  });
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy]');
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = 'Press Ctrl-C';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });

  // One more row of a form that has rows of one kind: the last one again, emptied.
  for (const button of document.querySelectorAll('button[data-add]')) {
    const rows = () => button.form.querySelectorAll(button.dataset.add);
    const most = +rows()[0].parentNode.dataset.most;
    const full = () => { button.hidden = rows().length >= most; };
    button.addEventListener('click', () => {
      const last = [...rows()].at(-1);
      const more = last.cloneNode(true);
      for (const input of more.querySelectorAll('input')) input.value = '';
      for (const select of more.querySelectorAll('select')) select.selectedIndex = 0;
      last.after(more);
      more.querySelector('input').focus();
      full();
    });
    full();
  }

  refresh(document);
  document.querySelector('.nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  setInterval(tick, 1000);
})();
