"""What a run says, for people: an HTML page and console tables.

`view.build` decides and formats everything that is shown; `html`, `text` and `charts` only draw it. Importing this
package imports nothing heavy. Not aware of: how anything is measured (`engine`), where results lie (`store`).
"""
