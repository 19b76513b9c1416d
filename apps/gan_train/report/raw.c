/* The figures for programs, in the page. */
#include "sections.h"

void section_raw(html *h, const report *r) {
  html_put(h, "<p class=\"note\">Every figure of this page comes from these, which are what "
              "<code>--json FILE</code> writes.</p>"
              "<p><button class=\"action\" id=\"save-raw\" type=\"button\" hidden>Save as JSON</button></p>"
              "<details><summary>Show them</summary><pre id=\"figures\" tabindex=\"0\" aria-label=\"JSON\">");
  html_text(h, r->json);
  html_put(h, "</pre></details>");
}
