// Compiles nhsuk.scss, leaves out what the operator page never shows, and writes the sheet that its one argument names.
// Run by build.sh, in a folder with the packages.
import { readFileSync, writeFileSync } from 'node:fs'
import postcss from 'postcss'
import { compile } from 'sass'

// Most bytes that the page may have to fetch for it.
const MOST_BYTES = 100_000

// Parts of selectors that belong to what the operator page does without. The components are written in one piece each, so
// they cannot be asked for in parts.
const NOT_SHOWN = [
  // The NHS logo, and what a service for patients has in its header.
  /nhsuk-header__(logo|organisation|search|menu)/,
  /nhsuk-header--(organisation|white|inline)/,
  /nhsuk-header__navigation--(white|justified)/,
  // Text on dark ground.
  /--reverse\b/,
  // Cards, which several components bring along for their own looks inside one.
  /nhsuk-card/,
  // What only NHS.UK frontend's own scripts switch on; we have none of them.
  /(?<!:not\()\.nhsuk-frontend-supported/,
  /nhsuk-file-upload__(?!input)/,
  /nhsuk-file-upload--/,
  /nhsuk-(radios|checkboxes)__conditional/,
  /nhsuk-table.*\[data-sort\]/,
  /nhsuk-table.*\[aria-sort/,
  // Scrolled by a region of page.css instead, which needs no script.
  /nhsuk-scroll/,
  // Looks for other services.
  /nhsuk-button--(brand|login|icon|secondary-solid)/,
  /nhsuk-button__content/,
  /nhsuk-button.* \.nhsuk-icon/,
  /nhsuk-caption--bottom/,
  /nhsuk-label-wrapper/,
  /nhsuk-legend-wrapper/,
  // Icons take the colour of the text that they stand in.
  /:(visited|hover|focus|active)\b.* \.nhsuk-icon$/,
  /\bnot\(:focus\).* \.nhsuk-icon$/,
  /nhsuk-button-group--small/,
  /nhsuk-(body-l|input--large|(fieldset__legend|label)--xl)\b/,
  /nhsuk-(heading|caption)-xxl/,
  /nhsuk-list--(tick|cross)/,
  /nhsuk-u-frontend-not-supported/,
  /-moz-focus-inner/,
  /nhsuk-(lede-text|link-image|link--text-colour|radios--inline)/,
  /nhsuk-panel(--interruption|__(title|heading)--)/,
  /nhsuk-(breadcrumb|back-link|panel).* \.nhsuk-icon/,
  /nhsuk-table.*--no-border/,
  /nhsuk-summary-list.*--no-border/,
  /(?<!:not\()\.nhsuk-expander/,
  /nhsuk-input-wrapper/,
  /nhsuk-input__(wrapper|prefix|suffix)/,
  // Names that go away in NHS.UK frontend 11.
  /nhsuk-table-responsive/,
  /nhsuk-table__(heading-tab|panel)/,
  /nhsuk-table-container/,
  /nhsuk-pagination__(previous|next)-icon/,
  // Steps of space, width and float that no page of ours uses; grid columns have widths of their own.
  /nhsuk-u-(static|padding|float|clear|link-nowrap|nowrap|margin-(left|right|\d))/,
  /nhsuk-u-(width|one|two|three)-/,
]

// Conditions that only Internet Explorer and the first Edge knew.
const FORGOTTEN = /-ms-|\\0|\\ufffd|\ufffd/

const version = JSON.parse(readFileSync('node_modules/nhsuk-frontend/package.json', 'utf8')).version
const compiled = compile('nhsuk.scss', { style: 'compressed', charset: false, loadPaths: ['node_modules'], quietDeps: true })
const sheet = postcss.parse(compiled.css.replace(/^\ufeff/, ''))

sheet.walkAtRules((condition) => {
  if (condition.name !== 'media' && condition.name !== 'supports') return
  // What they lack, and what every browser of today has, needs no asking for.
  if (condition.params.startsWith('not (-ms-') || condition.params.includes(': max(')) {
    condition.replaceWith(condition.nodes)
    return
  }
  const known = postcss.list.comma(condition.params).filter((one) => !FORGOTTEN.test(one))
  if (known.length === 0) condition.remove()
  else condition.params = known.join(',')
})
sheet.walkRules((rule) => {
  const shown = rule.selectors.filter((one) => !NOT_SHOWN.some((part) => part.test(one)) && !FORGOTTEN.test(one))
  if (shown.length === 0) rule.remove()
  else rule.selectors = shown
})
// Icons of form fields for searching are pictures of a host of theirs.
sheet.walkDecls((declaration) => {
  if (declaration.value.includes('url(')) declaration.remove()
})
// Sizes in print are page.css's, and so is what a link looks like there.
sheet.walkAtRules('media', (condition) => {
  if (!condition.params.startsWith('print')) return
  condition.walkDecls(/^(font-size|line-height)$/, (declaration) => declaration.remove())
  condition.walkRules((rule) => {
    if (rule.selectors.every((one) => one.endsWith('::after'))) rule.remove()
  })
})
// Innermost first, until nothing is empty.
for (let before = ''; before !== sheet.toString(); ) {
  before = sheet.toString()
  sheet.walk((node) => {
    if (node.nodes?.length === 0) node.remove()
  })
}
// What stands side by side under the same condition, or for the same selector, can share it.
const same = (one, other) =>
  other?.type === one.type && (one.type === 'rule' ? other.selector === one.selector : other.name === one.name && other.params === one.params)
sheet.walk((node) => {
  if (node.type !== 'atrule' && node.type !== 'rule') return
  while (same(node, node.next())) {
    node.append(node.next().nodes)
    node.next().remove()
  }
})

const css = `/*! NHS.UK frontend ${version}, the parts that the operator page uses. MIT licence: see NHSUK-FRONTEND-LICENCE.txt. Made by styles/build.sh; do not edit. */\n${sheet.toString()}\n`
for (const unwanted of ['url(', '@import', '@font-face', 'rutiger', '//']) {
  if (css.includes(unwanted)) throw new Error(`${unwanted} is in the styles`)
}
if (Buffer.byteLength(css) > MOST_BYTES) throw new Error(`the styles have ${Buffer.byteLength(css)} bytes, more than ${MOST_BYTES}`)
writeFileSync(process.argv[2], css)
console.log(`nhsuk.css: ${Buffer.byteLength(css)} bytes of NHS.UK frontend ${version}`)
