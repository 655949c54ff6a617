document.getElementById('trap').addEventListener('keydown', (event) => {
  if (event.key === 'Tab') event.preventDefault()
})
