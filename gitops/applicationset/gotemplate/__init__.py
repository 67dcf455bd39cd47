"""Go's text/template as ApplicationSets use it: actions, pipelines, variables, if/range/with, and sprig's functions.

Templates come from Git and so are bounded: steps, output size, and regular expressions that cannot run away (RE2).
"""

from gitops.applicationset.gotemplate.execute import render
from gitops.applicationset.gotemplate.parse import TemplateError

__all__ = ["TemplateError", "render"]
