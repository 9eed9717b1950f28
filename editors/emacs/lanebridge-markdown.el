;;; lanebridge-markdown.el --- Markdown, shown lightly  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Faces for Markdown, put on line by line: what streams in is looked at once,
;; and never again from the beginning.  No mode is needed, no parser.

;;; Code:

(defgroup lanebridge-faces nil
  "Faces of Lanebridge."
  :group 'lanebridge)

(defface lanebridge-heading '((t :inherit font-lock-function-name-face :weight bold))
  "Headings.")
(defface lanebridge-code
  '((((class color) (min-colors 256) (background dark)) :background "#26292f" :foreground "#b8d8c8")
    (((class color) (min-colors 256) (background light)) :background "#eef0f3" :foreground "#24523c")
    (t :inherit font-lock-constant-face))
  "Code within a line.")
(defface lanebridge-block
  '((((class color) (min-colors 256) (background dark)) :background "#1c1f24" :extend t)
    (((class color) (min-colors 256) (background light)) :background "#f4f5f7" :extend t)
    (t :inherit default))
  "Code in blocks.")
(defface lanebridge-dim '((t :inherit shadow))
  "What is beside the point.")
(defface lanebridge-link '((t :inherit link))
  "Links.")
(defface lanebridge-bullet '((t :inherit font-lock-keyword-face))
  "Bullets and boxes of lists.")
(defface lanebridge-added
  '((((class color) (min-colors 256) (background dark)) :background "#12311f" :foreground "#a5e0b5" :extend t)
    (((class color) (min-colors 256) (background light)) :background "#dcf5e3" :foreground "#0f5323" :extend t)
    (t :inherit success))
  "Added lines.")
(defface lanebridge-removed
  '((((class color) (min-colors 256) (background dark)) :background "#3b1a1d" :foreground "#f0b3b3" :extend t)
    (((class color) (min-colors 256) (background light)) :background "#fbe3e4" :foreground "#8a1c22" :extend t)
    (t :inherit error))
  "Removed lines.")

(defconst lanebridge-markdown--inline
  '(("\\(`+\\)\\([^`\n]+?\\)\\1" lanebridge-code 1)
    ("\\(\\*\\*\\)\\([^*\n]+?\\)\\1" bold 1)
    ("\\(?:^\\|[ (]\\)\\(\\*\\)\\([^* \n][^*\n]*?\\)\\1\\(?:[ ).,:;!?]\\|$\\)" italic 1))
  "What is within a line: a pattern, its face, the group of its marks.
The second group is the text; the marks are hidden.")

(defun lanebridge-markdown--face (beg end face)
  "Add FACE from BEG to END."
  (add-face-text-property beg end face))

(defun lanebridge-markdown--hide (beg end)
  "Hide the marks from BEG to END."
  (put-text-property beg end 'invisible 'lanebridge-mark))

(defun lanebridge-markdown--within (end)
  "Faces within the line that begins at point and ends at END."
  (let ((start (point)))
    (pcase-dolist (`(,pattern ,face ,_) lanebridge-markdown--inline)
      (goto-char start)
      (while (re-search-forward pattern end t)
        (let ((marks (match-beginning 1)) (text (match-beginning 2)) (after (match-end 2)))
          ;; What stands in code is code.
          (unless (memq 'lanebridge-code (ensure-list (get-text-property text 'face)))
            (lanebridge-markdown--face text after face)
            (lanebridge-markdown--hide marks text)
            (lanebridge-markdown--hide after (+ after (- text marks))))
          (goto-char (+ after (- text marks))))))
    (goto-char start)
    (while (re-search-forward "\\[\\([^]\n]+\\)\\](\\([^)\n]+\\))" end t)
      (lanebridge-markdown--face (match-beginning 1) (match-end 1) 'lanebridge-link)
      (put-text-property (match-beginning 1) (match-end 1) 'help-echo (match-string 2)))))

(defun lanebridge-markdown--code-line (end language)
  "Faces of a line of code in LANGUAGE, from point to END, its newline too."
  (lanebridge-markdown--face
   (point) end
   (cond ((not (equal language "diff")) 'lanebridge-block)
         ((looking-at-p "\\+\\+\\+ \\|--- \\|@@") 'lanebridge-dim)
         ((eq (char-after) ?+) 'lanebridge-added)
         ((eq (char-after) ?-) 'lanebridge-removed)
         (t 'lanebridge-block))))

(defun lanebridge-markdown--text-line (end)
  "Faces of a line of text, from point to END."
  (cond
   ((looking-at "\\(#+ \\).*$")
    (lanebridge-markdown--face (point) end 'lanebridge-heading)
    (lanebridge-markdown--hide (match-beginning 1) (match-end 1)))
   ((looking-at-p ">")
    (lanebridge-markdown--face (point) end 'lanebridge-dim))
   (t
    (when (looking-at " *\\([-*+]\\( \\[[ x]\\]\\)?\\|[0-9]+[.)]\\) ")
      (lanebridge-markdown--face (match-beginning 1) (match-end 1) 'lanebridge-bullet))
    (lanebridge-markdown--within end))))

(defun lanebridge-markdown-paint (beg end fence)
  "Put faces on the lines from BEG to END.
FENCE is nil or the fence that is open at BEG, as (TICKS . LANGUAGE).
Return the fence that is open at the beginning of the last line."
  (save-excursion
    (goto-char beg)
    (let ((open fence) (before fence))
      (while (< (point) end)
        (let ((eol (min end (line-end-position))))
          (setq before open)
          (cond
           ((and open (looking-at-p (concat " *" (regexp-quote (car open)) "`*[ \t]*$")))
            (lanebridge-markdown--face (point) eol 'lanebridge-dim)
            (setq open nil))
           (open
            (lanebridge-markdown--code-line (min end (1+ eol)) (cdr open)))
           ((looking-at " *\\(```+\\|~~~+\\)\\([^`\n ]*\\)[^`\n]*$")
            (setq open (cons (match-string-no-properties 1) (match-string-no-properties 2)))
            (lanebridge-markdown--face (point) eol 'lanebridge-dim))
           (t (lanebridge-markdown--text-line eol)))
          (forward-line 1)))
      before)))

(defun lanebridge-markdown-fence (text)
  "A fence that does not occur in TEXT."
  (let ((longest 2) (start 0))
    (while (string-match "^ *\\(`+\\)" text start)
      (setq longest (max longest (length (match-string 1 text)))
            start (match-end 0)))
    (make-string (1+ longest) ?`)))

(provide 'lanebridge-markdown)
;;; lanebridge-markdown.el ends here
