;;; lanebridge-render.el --- Items and turns as text  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Pure: what is known goes in, Markdown comes out, and where its fold begins.

;;; Code:

(require 'cl-lib)
(require 'json)
(require 'subr-x)
(require 'lanebridge-markdown)
(require 'lanebridge-state)

(defface lanebridge-user
  '((((class color) (min-colors 256) (background dark)) :background "#22304a" :extend t)
    (((class color) (min-colors 256) (background light)) :background "#e4ecf9" :extend t)
    (t :inherit bold))
  "What you said."
  :group 'lanebridge-faces)
(defface lanebridge-good '((t :inherit success)) "A call that did what it should."
  :group 'lanebridge-faces)
(defface lanebridge-bad
  '((((class color) (min-colors 256) (background dark)) :foreground "#ff7b72" :weight bold)
    (t :inherit error))
  "What failed."
  :group 'lanebridge-faces)
(defface lanebridge-running '((t :inherit warning)) "What runs."
  :group 'lanebridge-faces)

;;;; Words

(defun lanebridge-render-clip (text width)
  "TEXT as one line of at most WIDTH columns."
  (let ((line (string-trim (replace-regexp-in-string "[ \t\n\r]+" " " (or text "")))))
    (truncate-string-to-width line width nil nil "…")))

(defun lanebridge-render-short (number)
  "NUMBER in few characters."
  (cond ((< number 1000) (number-to-string number))
        ((< number 99950) (format "%.1fk" (/ number 1000.0)))
        ((< number 999500) (format "%dk" (round number 1000)))
        (t (format "%.1fM" (/ number 1000000.0)))))

(defun lanebridge-render-duration (ms)
  "MS milliseconds in words."
  (cond ((< ms 1000) (format "%d ms" ms))
        ((< ms 60000) (format "%.1f s" (/ ms 1000.0)))
        (t (format "%d min %d s" (/ ms 60000) (/ (% ms 60000) 1000)))))

(defun lanebridge-render-count (number word)
  "NUMBER of what is called WORD."
  (format "%d %s%s" number word (if (= number 1) "" "s")))

(defun lanebridge-render--clean (text)
  "TEXT without what a terminal would draw with, or nil as an empty text."
  (replace-regexp-in-string "\r\\|\e\\[[0-9;?]*[a-zA-Z]" "" (or text "")))

(defun lanebridge-render--cut (text max)
  "TEXT in at most MAX lines: the first and the last ones."
  (let* ((lines (split-string (string-trim-right text) "\n"))
         (count (length lines))
         (half (/ max 2)))
    (if (<= count max)
        (string-join lines "\n")
      (string-join (append (seq-take lines half)
                           (list (format "… %d lines left out …" (- count (* 2 half))))
                           (nthcdr (- count half) lines))
                   "\n"))))

(defun lanebridge-render-count-diff (diff)
  "How many lines DIFF adds and removes, in words."
  (let ((added 0) (removed 0))
    (dolist (line (split-string diff "\n"))
      (cond ((string-prefix-p "+++" line))
            ((string-prefix-p "---" line))
            ((string-prefix-p "+" line) (cl-incf added))
            ((string-prefix-p "-" line) (cl-incf removed))))
    (format "+%d −%d" added removed)))

(defun lanebridge-render--code (text)
  "TEXT as code within a line."
  (let* ((text (lanebridge-render-clip text 100))
         (ticks (if (string-search "`" text) "``" "`")))
    (concat ticks text ticks)))

;;;; Calls

(defun lanebridge-render-bare-title (item)
  "The title of the call ITEM without the name of its tool."
  (let ((tool (or (lanebridge-item-get item :tool) (lanebridge-item-type item))))
    (string-remove-prefix (concat tool ": ") (or (lanebridge-item-get item :title) ""))))

(defun lanebridge-render--summary (item)
  "What came of the call ITEM, in few words, without repeating its title."
  (lanebridge-render-clip
   (string-remove-prefix (concat (lanebridge-render-bare-title item) " ")
                         (lanebridge-item-get item :text))
   60))

(defun lanebridge-render--details (item)
  "What is to be known of the call ITEM beside its title."
  (let ((done (lanebridge-item-done item))
        (ran (or (lanebridge-item-get item :ranMs) 0))
        (exit (lanebridge-item-get item :exitCode)))
    (string-join
     (delq nil
           (list (cond ((lanebridge-item-get item :diff)
                        (lanebridge-render-count-diff (lanebridge-item-get item :diff)))
                       ((not done) "running")
                       ((and (equal (lanebridge-item-type item) "commandExecution") exit)
                        (format "exit %d" exit))
                       ((lanebridge-item-get item :text) (lanebridge-render--summary item)))
                 (and done (>= ran 100) (lanebridge-render-duration ran))))
     " · ")))

(defun lanebridge-render--icon (item)
  "How the call ITEM is doing, as one character."
  (cond ((not (lanebridge-item-done item)) (propertize "◌" 'face 'lanebridge-running))
        ((lanebridge-item-failed-p item) (propertize "✗" 'face 'lanebridge-bad))
        (t (propertize "✓" 'face 'lanebridge-good))))

(defun lanebridge-render--title (item)
  "What the call ITEM is, with its verb."
  (let ((title (lanebridge-render-bare-title item)))
    (concat (pcase (lanebridge-item-type item)
              ("commandExecution" "")
              ("fileChange" "edit ")
              (type (concat (or (lanebridge-item-get item :tool) type) " ")))
            (if (string-empty-p title) "" (lanebridge-render--code title)))))

(defun lanebridge-render--call-body (item max)
  "Diff or output of ITEM in a fence, at most MAX lines of it; may be empty."
  (let* ((diff (lanebridge-item-get item :diff))
         (text (lanebridge-render--clean
                (cond (diff)
                      ((lanebridge-item-done item) (lanebridge-item-get item :output))
                      (t (lanebridge-item-said item)))))
         (fence (lanebridge-markdown-fence text)))
    (if (string-blank-p text)
        ""
      (concat fence (if diff "diff" "") "\n" (lanebridge-render--cut text max) "\n" fence "\n"))))

(defun lanebridge-render--folded (head body after-fold)
  "HEAD, one line, with BODY folded behind it.
AFTER-FOLD says that no empty line is needed before it."
  (let ((head (concat (if after-fold "" "\n") head)))
    (cons (concat head "\n" body)
          (and (not (string-empty-p body)) (length head)))))

(defun lanebridge-render--call (item after-fold max)
  "The call ITEM with at most MAX lines; AFTER-FOLD as in `lanebridge-render-item'."
  (let ((details (lanebridge-render--details item)))
    (lanebridge-render--folded
     (concat (if (lanebridge-item-get item :parentItemId) "  ↳ " "")
             (lanebridge-render--icon item) " " (lanebridge-render--title item)
             (if (string-empty-p details)
                 ""
               (propertize (concat " · " details) 'face 'lanebridge-dim)))
     (lanebridge-render--call-body item max)
     after-fold)))

;;;; The other items

(defun lanebridge-render--text (item)
  "Text of ITEM, as far as it is known."
  (lanebridge-render--clean
   (if (lanebridge-item-done item)
       (lanebridge-item-get item :text)
     (lanebridge-item-said item))))

(defun lanebridge-render--reasoning (item after-fold _max)
  "The reasoning ITEM; AFTER-FOLD as in `lanebridge-render-item'."
  (let* ((text (string-trim (lanebridge-render--text item)))
         (first (string-trim (car (split-string text "\n")) "\\*+" "\\*+"))
         (head (concat "∴ " (if (lanebridge-item-done item) "thought" "thinking")
                       (if (string-empty-p first)
                           ""
                         (concat " · " (lanebridge-render-clip first 70))))))
    (lanebridge-render--folded
     (propertize head 'face 'lanebridge-dim)
     (if (string-empty-p first) "" (concat (replace-regexp-in-string "^" "> " text) "\n"))
     after-fold)))

(defun lanebridge-render--message (item _after-fold _max)
  "The message ITEM of the model."
  (list (concat "\n" (lanebridge-render--text item) "\n")))

(defun lanebridge-render--user (item _after-fold _max)
  "What the person said in ITEM."
  (list (concat "\n## You\n"
                (propertize (concat (string-trim-right (lanebridge-render--text item)) "\n")
                            'face 'lanebridge-user))))

(defun lanebridge-render--step (step)
  "STEP of a plan as a line."
  (let ((text (lanebridge-render-clip (plist-get step :step) 200)))
    (pcase (plist-get step :status)
      ("completed" (format "- [x] %s\n" text))
      ("in_progress" (format "- [ ] **%s**\n" text))
      (_ (format "- [ ] %s\n" text)))))

(defun lanebridge-render-read-plan (item)
  "The plan in ITEM as told, a property list, or nil."
  (ignore-errors
    (let ((told (json-parse-string (lanebridge-item-get item :output)
                                   :object-type 'plist :null-object nil
                                   :false-object :json-false)))
      (and (plist-get told :plan) told))))

(defun lanebridge-render--plan (item after-fold max)
  "The plan ITEM; AFTER-FOLD and MAX if there is nothing in it but a call."
  (let ((told (lanebridge-render-read-plan item)))
    (if (not told)
        (lanebridge-render--call item after-fold max)
      (let ((why (or (plist-get told :explanation) "")))
        (list (concat "\n" (if (string-empty-p why) "" (concat why "\n"))
                      (mapconcat #'lanebridge-render--step (plist-get told :plan) "")))))))

(defun lanebridge-render--error (item _after-fold _max)
  "The error ITEM."
  (list (concat "\n" (propertize "Failed: " 'face 'lanebridge-bad)
                (lanebridge-render--text item) "\n")))

(defun lanebridge-render--remark (item _after-fold _max)
  "ITEM that is a remark in one line."
  (list (concat "\n" (propertize (lanebridge-render-clip
                                  (or (lanebridge-item-get item :text)
                                      (lanebridge-item-get item :title)
                                      (lanebridge-item-type item))
                                  300)
                                 'face 'lanebridge-dim)
                "\n")))

(defconst lanebridge-render--by-type
  '(("userMessage" . lanebridge-render--user)
    ("agentMessage" . lanebridge-render--message)
    ("reasoning" . lanebridge-render--reasoning)
    ("plan" . lanebridge-render--plan)
    ("error" . lanebridge-render--error)
    ("compaction" . lanebridge-render--remark))
  "How the types of items are shown; others are calls.")

(defun lanebridge-render-item (item after-fold max)
  "ITEM as a cons of its text and where its fold begins, or nil.
AFTER-FOLD says that a call stands before it, so that no empty line is
needed; of output at most MAX lines are shown."
  (funcall (or (cdr (assoc (lanebridge-item-type item) lanebridge-render--by-type))
               #'lanebridge-render--call)
           item after-fold max))

;;;; Beginnings and ends

(defun lanebridge-render--usage (usage)
  "USAGE of a turn in words, or nil."
  (let ((in (or (plist-get usage :inputTokens) 0))
        (cost (plist-get usage :cost)))
    (when (> in 0)
      (concat (format "%s tokens in (%d %% cached), %s out"
                      (lanebridge-render-short in)
                      (round (* 100.0 (plist-get usage :cachedTokens)) in)
                      (lanebridge-render-short (plist-get usage :outputTokens)))
              (and cost (format " · %.4f %s" (plist-get cost :amount)
                                (plist-get cost :currency)))))))

(defun lanebridge-render--ended (turn)
  "Time and tokens of TURN, which has ended."
  (let ((timing (lanebridge-turn-timing turn)))
    (string-join
     (delq nil (list (and (eq (lanebridge-turn-status turn) 'interrupted) "stopped")
                     (and timing (lanebridge-render-duration (plist-get timing :totalMs)))
                     (lanebridge-render--usage (lanebridge-turn-usage turn))))
     " · ")))

(defun lanebridge-render--dim (text)
  "TEXT as a line that is beside the point, or an empty text."
  (if (string-empty-p text) "" (concat (propertize text 'face 'lanebridge-dim) "\n")))

(defun lanebridge-render--failed (turn)
  "Why TURN failed and what can be done."
  (concat (if (seq-some (lambda (item) (equal (lanebridge-item-type item) "error"))
                        (lanebridge-turn-items turn))
              "" ; It stands above already.
            (concat (propertize "Failed: " 'face 'lanebridge-bad)
                    (or (lanebridge-turn-error turn) "no reason was given") "\n"))
          (mapconcat (lambda (choice) (format "- %s\n" (plist-get choice :title)))
                     (lanebridge-turn-choices turn) "")
          (if (lanebridge-turn-choices turn)
              "Press ! above the prompt to choose.\n"
            "")))

(defun lanebridge-render-turn-end (turn)
  "What stands below TURN, at least an empty line."
  (concat
   "\n"
   (pcase (lanebridge-turn-status turn)
     ('queued
      (let ((text (lanebridge-turn-text turn)))
        (lanebridge-render--dim
         (concat "waits: " (lanebridge-render-clip (if (string-empty-p text) "a prompt" text)
                                                   80)))))
     ('running
      (lanebridge-render--dim (lanebridge-render-clip (lanebridge-turn-notice turn) 300)))
     (_
      (concat (if (eq (lanebridge-turn-status turn) 'failed)
                  (lanebridge-render--failed turn)
                "")
              (lanebridge-render--dim (lanebridge-render--ended turn)))))))

(defun lanebridge-render-head (thread)
  "What stands above all of THREAD."
  (let ((title (lanebridge-render-clip (lanebridge-thread-title thread) 200)))
    (when (>= (string-bytes title) 57)
      ;; The server cuts it, within a word.
      (setq title (replace-regexp-in-string " [^ ]*\\'" " …" title)))
    (concat "# " (if (string-empty-p title) "New conversation" title) "\n"
            (if (lanebridge-thread-can-continue thread)
                (concat "\n" (propertize "The last turn was cut off: C above the prompt, or \
M-x lanebridge-continue, lets it go on."
                                         'face 'lanebridge-running)
                        "\n")
              ""))))

(provide 'lanebridge-render)
;;; lanebridge-render.el ends here
