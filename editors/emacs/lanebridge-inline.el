;;; lanebridge-inline.el --- What could stand at point, in grey  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; `lanebridge-inline-mode' asks the server what could come next while
;; you type.  What you type along with a suggestion is taken off its
;; beginning; anything else makes it go away.

;;; Code:

(require 'cl-lib)
(require 'lanebridge)
(require 'lanebridge-connection)
(require 'lanebridge-sync)

(defface lanebridge-suggestion '((t :inherit shadow))
  "What could stand at point."
  :group 'lanebridge)

(defcustom lanebridge-inline-delay 0.1
  "Seconds without a key after which the server is asked."
  :type 'number
  :group 'lanebridge)

;; That of the mode, which is defined below.
(defvar lanebridge-inline-mode)

(defvar-local lanebridge-inline--overlay nil
  "The suggestion that is shown, or nil.")
(put 'lanebridge-inline--overlay 'permanent-local t)
(defvar-local lanebridge-inline--tick nil
  "The modification tick at which point was looked at last.")
(defvar-local lanebridge-inline--request nil
  "The id of the request that is not answered.")
(defvar-local lanebridge-inline--timer nil
  "The timer that asks.")

(defvar lanebridge-inline-active-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "TAB") #'lanebridge-inline-accept)
    (define-key map [tab] #'lanebridge-inline-accept)
    (define-key map [remap forward-word] #'lanebridge-inline-accept-word)
    (define-key map [remap move-end-of-line] #'lanebridge-inline-accept-line)
    (define-key map [remap keyboard-quit] #'lanebridge-inline-dismiss)
    map)
  "Keys while a suggestion is shown.")

(defvar lanebridge-inline--maps
  (list (cons 'lanebridge-inline--overlay lanebridge-inline-active-map))
  "For `emulation-mode-map-alists'.")

;;; Showing

(defun lanebridge-inline-text ()
  "The suggestion that is shown, or nil."
  (and lanebridge-inline--overlay
       (overlay-get lanebridge-inline--overlay 'lanebridge-text)))

(defun lanebridge-inline--hide ()
  "Show no suggestion."
  (when lanebridge-inline--overlay
    (delete-overlay lanebridge-inline--overlay)
    (setq lanebridge-inline--overlay nil)))

(defun lanebridge-inline--show (text)
  "Show TEXT at point."
  (lanebridge-inline--hide)
  (let ((overlay (make-overlay (point) (point) nil t nil))
        (shown (propertize text 'face 'lanebridge-suggestion)))
    ;; Else the cursor would be behind it.
    (put-text-property 0 1 'cursor t shown)
    (overlay-put overlay 'lanebridge-text text)
    (overlay-put overlay 'after-string shown)
    (overlay-put overlay 'priority 1000)
    (setq lanebridge-inline--overlay overlay)))

;;; Asking

(defun lanebridge-inline--calm-p ()
  "Non-nil if nothing else is being completed."
  (not (or completion-in-region-mode (bound-and-true-p company-candidates) buffer-read-only)))

(defun lanebridge-inline--answer (tick pos result)
  "Show what RESULT suggests, if the text is that of TICK and point at POS."
  (let* ((items (if (vectorp result) result (plist-get result :items)))
         (item (and (> (length items) 0) (aref items 0)))
         (text (plist-get item :insertText)))
    (setq lanebridge-inline--request nil)
    (when (and lanebridge-inline-mode (eql tick (buffer-chars-modified-tick)) (eql pos (point))
               (lanebridge-inline--calm-p))
      (when (consp text)
        (setq text (plist-get text :value)))
      (when (and (stringp text) (not (equal text "")))
        (lanebridge-inline--show (lanebridge-to-buffer-text text))))))

(defun lanebridge-inline--ask (kind)
  "Ask what could stand at point; KIND is 1 if the person asked for it, else 2."
  (when (and lanebridge-sync--document (lanebridge-inline--calm-p))
    (lanebridge-cancel lanebridge-inline--request)
    (let ((tick (buffer-chars-modified-tick)) (pos (point)))
      (setq lanebridge-inline--request
            (lanebridge-request
             "textDocument/inlineCompletion"
             (list :textDocument (list :uri (lanebridge-sync-uri))
                   :position (lanebridge-position pos)
                   :context (list :triggerKind kind))
             (lambda (result) (lanebridge-inline--answer tick pos result))
             #'ignore)))))

(defun lanebridge-inline--stop-timer ()
  "Do not ask."
  (when lanebridge-inline--timer
    (cancel-timer lanebridge-inline--timer)
    (setq lanebridge-inline--timer nil)))

(defun lanebridge-inline--ask-soon ()
  "Ask after `lanebridge-inline-delay'."
  (lanebridge-inline--stop-timer)
  (setq lanebridge-inline--timer
        (run-at-time lanebridge-inline-delay nil
                     (lambda (buffer)
                       (when (and (buffer-live-p buffer)
                                  (eq buffer (window-buffer (selected-window))))
                         (with-current-buffer buffer
                           (setq lanebridge-inline--timer nil)
                           (lanebridge-inline--ask 2))))
                     (current-buffer))))

(defun lanebridge-inline--typed-along-p ()
  "Non-nil if what is between the suggestion and point is its beginning.
The rest is shown then."
  (let* ((text (lanebridge-inline-text))
         (start (and text (overlay-start lanebridge-inline--overlay)))
         (typed (and start (<= start (point))
                     (buffer-substring-no-properties start (point)))))
    (when (and typed (string-prefix-p typed text) (< (length typed) (length text)))
      (lanebridge-inline--show (substring text (length typed)))
      t)))

(defun lanebridge-inline--after-command ()
  "Look at what the last command did."
  (let ((tick (buffer-chars-modified-tick)))
    (cond
     ((not (eql tick lanebridge-inline--tick))
      (setq lanebridge-inline--tick tick)
      (unless (lanebridge-inline--typed-along-p)
        (lanebridge-inline--hide)
        (lanebridge-inline--ask-soon)))
     ((and lanebridge-inline--overlay
           (/= (point) (overlay-start lanebridge-inline--overlay)))
      (lanebridge-inline--hide)))))

;;; Taking

(defun lanebridge-inline--take (text)
  "Insert TEXT, the beginning of the suggestion, and show the rest."
  (let ((rest (substring (lanebridge-inline-text) (length text))))
    (lanebridge-inline--hide)
    (insert text)
    (unless (equal rest "")
      (lanebridge-inline--show rest))
    (setq lanebridge-inline--tick (buffer-chars-modified-tick))))

(defun lanebridge-inline--part (regexp)
  "The beginning of the suggestion that REGEXP matches, or all of it."
  (let ((text (lanebridge-inline-text)))
    (if (string-match regexp text) (match-string 0 text) text)))

(defun lanebridge-inline-accept ()
  "Take the suggestion."
  (interactive)
  (lanebridge-inline--take (lanebridge-inline-text)))

(defun lanebridge-inline-accept-word ()
  "Take the first word of the suggestion, with the blanks before it."
  (interactive)
  (lanebridge-inline--take
   (lanebridge-inline--part "\\`[ \t\n]*\\(?:[[:alnum:]_]+\\|[^[:alnum:]_ \t\n]+\\)")))

(defun lanebridge-inline-accept-line ()
  "Take the first line of the suggestion."
  (interactive)
  (lanebridge-inline--take (lanebridge-inline--part "\\`\n?[^\n]+")))

(defun lanebridge-inline-dismiss ()
  "Show no suggestion."
  (interactive)
  (lanebridge-inline--hide))

;;;###autoload
(defun lanebridge-inline-complete ()
  "Ask now what could stand at point."
  (interactive)
  (unless lanebridge-inline-mode
    (lanebridge-inline-mode))
  (lanebridge-inline--stop-timer)
  (lanebridge-inline--ask 1))

;;; Modes

(defun lanebridge-inline--any-p ()
  "Non-nil if the mode is on in some buffer."
  (cl-some (lambda (buffer) (buffer-local-value 'lanebridge-inline-mode buffer)) (buffer-list)))

(defun lanebridge-inline--settle ()
  "Tell the server whether suggestions are wanted: without that it makes none."
  (let ((known (plist-get lanebridge-overriding-settings :inlineCompletion))
        (wanted (if (lanebridge-inline--any-p) '(:enabled t) '(:enabled :json-false))))
    (unless (equal known wanted)
      (setq lanebridge-overriding-settings
            (plist-put lanebridge-overriding-settings :inlineCompletion wanted))
      (when (fboundp 'lanebridge-settings-changed)
        (lanebridge-settings-changed)))))

;;;###autoload
(define-minor-mode lanebridge-inline-mode
  "Show what could stand at point, in grey, while you type.
\\<lanebridge-inline-active-map>\\[lanebridge-inline-accept] takes it, \
\\[lanebridge-inline-accept-word] its first word, \
\\[lanebridge-inline-accept-line] its first line."
  :lighter nil
  (add-to-list 'emulation-mode-map-alists 'lanebridge-inline--maps)
  (if lanebridge-inline-mode
      (progn
        (setq lanebridge-inline--tick (buffer-chars-modified-tick))
        (add-hook 'post-command-hook #'lanebridge-inline--after-command nil t))
    (remove-hook 'post-command-hook #'lanebridge-inline--after-command t)
    (lanebridge-inline--stop-timer)
    (lanebridge-inline--hide))
  (lanebridge-inline--settle))

(defun lanebridge-inline--turn-on ()
  "Switch `lanebridge-inline-mode' on in a buffer of a file."
  (when (lanebridge-file-p)
    (lanebridge-inline-mode)))

;;;###autoload
(define-globalized-minor-mode lanebridge-global-inline-mode lanebridge-inline-mode
  lanebridge-inline--turn-on
  :group 'lanebridge)

(lanebridge-announce '(:textDocument :inlineCompletion) '(:dynamicRegistration :json-false))

(provide 'lanebridge-inline)
;;; lanebridge-inline.el ends here
