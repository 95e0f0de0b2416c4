"""The verbs over a cache directory (`ls`, `show`, `rm`, …), which the shell command and the line
magic share."""
