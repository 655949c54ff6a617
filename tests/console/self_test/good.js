document.getElementById('look').addEventListener('click', () => {
  const value = (id) => document.getElementById(id).value
  // Not at once, so that a test has something to wait for.
  requestAnimationFrame(() => {
    const said = document.getElementById('said')
    said.textContent = `${value('mailbox')}, ${value('state')}, ${document.getElementById('file').files[0].name}`
    said.dataset.ready = 'yes'
  })
})
