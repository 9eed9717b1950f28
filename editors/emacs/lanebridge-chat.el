;;; lanebridge-chat.el --- The chat  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; A buffer for each conversation: what was said above, your prompt at its end.
;; The text is `lanebridge-view's; here are its window, its keys and the prompt.

;;; Code:

(require 'cl-lib)
(require 'lanebridge-ask)
(require 'lanebridge-view)
(require 'lanebridge-status)

(declare-function lanebridge-retry "lanebridge-thread")
(declare-function lanebridge-fork "lanebridge-thread")
(declare-function lanebridge-continue "lanebridge-thread")
(declare-function lanebridge-thread-choose "lanebridge-thread")

(defcustom lanebridge-chat-display-action
  '((display-buffer-reuse-window lanebridge-chat--display-in-chat display-buffer-in-direction)
    (direction . right)
    (window-width . 0.45))
  "Where the chat is shown, an action of `display-buffer'."
  :type 'sexp
  :group 'lanebridge)

(defcustom lanebridge-chat-return-sends t
  "Non-nil: RET in the prompt asks, and `newline' has a key of its own.
Else RET is a new line, and `lanebridge-chat-send' has a key of its own."
  :type 'boolean
  :group 'lanebridge)

(defvar-local lanebridge-chat--rule nil
  "Overlay of the rule above the prompt.")
(defvar-local lanebridge-chat--hint nil
  "Overlay of what stands in an empty prompt.")
(defvar-local lanebridge-chat--held nil
  "Words that come back if the folder is not trusted.")
(defvar-local lanebridge-chat--past nil
  "How many prompts one has gone back.")

(defvar lanebridge-chat-mode-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("RET" . lanebridge-chat-return) ("C-j" . newline)
                     ("TAB" . completion-at-point)
                     ("C-c C-c" . lanebridge-chat-send) ("C-c C-q" . lanebridge-chat-queue)
                     ("C-c C-k" . lanebridge-interrupt)
                     ("C-c C-n" . lanebridge-chat-next) ("C-c C-p" . lanebridge-chat-previous)
                     ("M-p" . lanebridge-chat-earlier) ("M-n" . lanebridge-chat-later)))
      (define-key map (kbd key) command))
    map)
  "Keys of the chat.")

;;;; The rule, and what stands in an empty prompt

(defun lanebridge-chat--keys (command)
  "Keys of COMMAND, as one reads them in the rule."
  (let ((key (where-is-internal command lanebridge-chat-mode-map t)))
    (if key (key-description key) (format "M-x %s" command))))

(defun lanebridge-chat--rule-text (width)
  "The rule, WIDTH columns wide."
  (let* ((thread lanebridge-view-thread)
         (turn (lanebridge-thread-running thread))
         (waiting (lanebridge-state-waiting thread))
         (left (concat "──"
                       (cond (turn (format " %s " (lanebridge-status-activity turn)))
                             ;; Of trust, say: no turn waits for that yet.
                             ((> (lanebridge-approval-count) 0)
                              (format " %s " (lanebridge-status-asks)))
                             (t ""))
                       (if (> waiting 0) (format " %d waiting " waiting) "")))
         (right (if turn
                    (format " %s tells it, %s stops it ──"
                            (if lanebridge-chat-return-sends "RET" "C-c C-c")
                            (lanebridge-chat--keys 'lanebridge-interrupt))
                  (format " %s asks ──" (if lanebridge-chat-return-sends "RET" "C-c C-c"))))
         (fill (max 0 (- width (string-width left) (string-width right)))))
    (propertize (truncate-string-to-width (concat left (make-string fill ?─) right) width)
                'face 'lanebridge-dim)))

(defun lanebridge-chat--hint-text (width)
  "What stands in an empty prompt, in WIDTH columns, with the cursor before it."
  (let ((text (propertize
               (truncate-string-to-width
                "Ask.  @ adds files, / your own prompts; C-h m shows all keys" width nil nil "…")
               'face 'lanebridge-dim)))
    (put-text-property 0 1 'cursor t text)
    text))

(defun lanebridge-chat-decorate (&rest _)
  "Bring the rule and the hint in an empty prompt up to date."
  (when (overlayp lanebridge-chat--rule)
    (let* ((window (get-buffer-window (current-buffer) t))
           (width (1- (if window (window-width window) 80)))
           (rule (lanebridge-chat--rule-text width))
           (empty (= lanebridge-view--prompt (point-max))))
      ;; Where nothing has changed nothing is drawn again.
      (unless (equal-including-properties
               rule (overlay-get lanebridge-chat--rule 'before-string))
        (overlay-put lanebridge-chat--rule 'before-string rule))
      (unless (= (overlay-start lanebridge-chat--hint) (point-max))
        (move-overlay lanebridge-chat--hint (point-max) (point-max)))
      (overlay-put lanebridge-chat--hint 'after-string
                   (and empty
                        (lanebridge-chat--hint-text width))))))

(defun lanebridge-chat--make-overlays ()
  "Make the overlays of the prompt."
  (setq lanebridge-chat--rule (make-overlay (1- lanebridge-view--prompt) lanebridge-view--prompt
                                            nil t nil)
        lanebridge-chat--hint (make-overlay (point-max) (point-max) nil t t))
  (lanebridge-chat-decorate))

;;;; Buffers

(defun lanebridge-chat-buffers ()
  "All buffers that show a conversation."
  (seq-filter (lambda (buffer) (buffer-local-value 'lanebridge-view-thread buffer))
              (buffer-list)))

(defun lanebridge-chat-of (thread)
  "The buffer that shows THREAD, or nil."
  (seq-find (lambda (buffer) (eq (buffer-local-value 'lanebridge-view-thread buffer) thread))
            (buffer-list)))

(defun lanebridge-chat--read-history (thread)
  "Ask for what was said in THREAD before."
  (let (turns)
    (cl-labels
        ((page (cursor)
           (lanebridge-request
            "lanebridge/thread/read"
            (append (list :threadId (lanebridge-thread-id thread))
                    (and cursor (list :cursor cursor)))
            (lambda (result)
              (setq turns (append turns (plist-get result :turns) nil))
              (if (plist-get result :nextCursor)
                  (page (plist-get result :nextCursor))
                (lanebridge-state-merge-history (plist-get result :thread) turns))))))
      (page nil))))

(defun lanebridge-chat-buffer (thread folder)
  "The buffer that shows THREAD of FOLDER, made if there is none."
  (or (lanebridge-chat-of thread)
      (with-current-buffer
          (generate-new-buffer
           (format "*Lanebridge: %s*"
                   (if folder (file-name-nondirectory (directory-file-name folder)) "no folder")))
        (when folder
          (setq default-directory folder))
        (lanebridge-chat-mode)
        (setq lanebridge-chat-folder folder)
        (lanebridge-view-set-up thread)
        (lanebridge-chat--make-overlays)
        (goto-char (point-max))
        (unless (lanebridge-thread-loaded thread)
          (lanebridge-chat--read-history thread))
        (lanebridge-mention-read-prompts)
        (current-buffer))))

(defun lanebridge-chat--display-in-chat (buffer alist)
  "Show BUFFER where a chat is shown already, as ALIST says."
  (let ((window (seq-find (lambda (window)
                            (buffer-local-value 'lanebridge-view-thread (window-buffer window)))
                          (window-list))))
    (when window
      (window--display-buffer buffer window 'reuse alist))))

(defun lanebridge-chat-show (thread folder)
  "Show THREAD of FOLDER, without going there; return its window."
  (let* ((buffer (lanebridge-chat-buffer thread folder))
         (known (get-buffer-window buffer t))
         (window (display-buffer buffer lanebridge-chat-display-action)))
    (unless known
      (set-window-point window (with-current-buffer buffer (point-max))))
    (with-current-buffer buffer
      (lanebridge-chat-decorate))
    window))

(defun lanebridge-chat-open (thread folder)
  "Show THREAD of FOLDER and go to its prompt."
  (let ((window (lanebridge-chat-show thread folder)))
    (select-frame-set-input-focus (window-frame window))
    (select-window window)
    (unless (lanebridge-view-in-prompt-p)
      (goto-char (point-max)))))

(defun lanebridge-chat--mention (region folder)
  "How a prompt mentions REGION of this buffer, whose folder is FOLDER."
  (let ((path (if (and folder (file-in-directory-p buffer-file-name folder))
                  (file-relative-name buffer-file-name folder)
                buffer-file-name))
        (first (line-number-at-pos (car region) t))
        (last (line-number-at-pos (max (car region) (1- (cdr region))) t)))
    (format (if (string-search " " path) "@\"%s:%d-%d\" " "@%s:%d-%d ") path first last)))

;;;###autoload
(defun lanebridge-chat ()
  "Open the chat at its prompt; an active region is mentioned there."
  (interactive)
  (let* ((folder (lanebridge-ask-folder))
         (region (and buffer-file-name (lanebridge-ask-region)))
         (mention (and region (lanebridge-chat--mention region folder))))
    (deactivate-mark)
    (lanebridge-ask-with-thread
     (lambda (thread)
       (lanebridge-chat-open thread folder)
       (when mention
         (goto-char (point-max))
         (insert mention))))))

;;;###autoload
(defun lanebridge-ask (prompt &optional queue)
  "Ask PROMPT; an active region goes along.  The answer is in the chat.
While a turn runs it is told; with a prefix argument QUEUE it waits."
  (interactive (list (read-string (if (use-region-p) "Ask about these lines: " "Ask: "))
                     current-prefix-arg))
  (let* ((folder (lanebridge-ask-folder))
         (region (and buffer-file-name (lanebridge-ask-region)))
         (input (lanebridge-ask-input prompt folder region)))
    (unless (string-blank-p prompt)
      (deactivate-mark)
      (lanebridge-ask-with-thread
       (lambda (thread)
         (unless (eq thread lanebridge-view-thread)
           (lanebridge-chat-show thread folder))
         (lanebridge-ask-in thread input queue))))))

;;;; The prompt

(defun lanebridge-chat--give-back (buffer text)
  "Put TEXT back into the empty prompt of BUFFER."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (when (and text (string-empty-p (lanebridge-view-prompt)))
        (lanebridge-view-set-prompt text)
        (lanebridge-chat-decorate)))))

(defun lanebridge-chat-send (&optional queue)
  "Ask what stands in the prompt.
While a turn runs it is told; with a prefix argument QUEUE it waits."
  (interactive "P" lanebridge-chat-mode)
  (let ((text (lanebridge-view-prompt))
        (buffer (current-buffer)))
    (unless (string-empty-p text)
      (lanebridge-view-set-prompt "")
      (setq buffer-undo-list nil
            lanebridge-chat--past nil)
      (goto-char (point-max))
      (lanebridge-ask-in
       lanebridge-view-thread
       (lanebridge-ask-input text lanebridge-chat-folder)
       queue
       (lambda (result)
         ;; It waits for the answer whether the folder is trusted.
         (setq lanebridge-chat--held (and (plist-get result :pending) text)))
       (lambda (problem)
         (lanebridge-chat--give-back buffer text)
         (lanebridge-say "%s" (plist-get problem :message)))))))

(defun lanebridge-chat-queue ()
  "Ask what stands in the prompt when the turn that runs has ended."
  (interactive nil lanebridge-chat-mode)
  (lanebridge-chat-send t))

(defun lanebridge-chat-return ()
  "Ask, or begin a new line, as `lanebridge-chat-return-sends' says."
  (interactive nil lanebridge-chat-mode)
  (if lanebridge-chat-return-sends
      (lanebridge-chat-send)
    (newline)))

(defun lanebridge-chat--prompts ()
  "What was asked in this conversation, the last first."
  (delete-dups (delete "" (mapcar #'lanebridge-state-words
                                  (reverse (lanebridge-thread-turns lanebridge-view-thread))))))

(defun lanebridge-chat-earlier (count)
  "Put the prompt that was asked COUNT before into the prompt."
  (interactive "p" lanebridge-chat-mode)
  (let* ((prompts (lanebridge-chat--prompts))
         (at (+ (or lanebridge-chat--past -1) count)))
    (cond ((>= at (length prompts)) (message "Lanebridge: nothing was asked before"))
          ((< at 0) (lanebridge-view-set-prompt "") (setq lanebridge-chat--past nil))
          (t (lanebridge-view-set-prompt (nth at prompts))
             (setq lanebridge-chat--past at)))
    (goto-char (point-max))))

(defun lanebridge-chat-later (count)
  "Put the prompt that was asked COUNT after into the prompt."
  (interactive "p" lanebridge-chat-mode)
  (lanebridge-chat-earlier (- count)))

(defun lanebridge-chat--complete ()
  "Complete @ and / in the prompt."
  (when (lanebridge-view-in-prompt-p)
    (lanebridge-mention-complete (marker-position lanebridge-view--prompt)
                                 lanebridge-chat-folder)))

;;;; Above the prompt

(defun lanebridge-chat-to-prompt ()
  "Go to the end of the prompt."
  (interactive nil lanebridge-chat-mode)
  (push-mark nil t)
  (goto-char (point-max)))

(defun lanebridge-chat-read-only ()
  "Say where one can write."
  (interactive nil lanebridge-chat-mode)
  (message "This is what was said; i goes to the prompt, C-h m shows all keys"))

(defun lanebridge-chat-toggle ()
  "Show or hide what is folded at point."
  (interactive nil lanebridge-chat-mode)
  (unless (lanebridge-view-toggle-fold)
    (message "Lanebridge: nothing is folded here")))

(defun lanebridge-chat-visit ()
  "Visit the file of the call at point, in another window."
  (interactive nil lanebridge-chat-mode)
  (let* ((block (get-text-property (point) 'lanebridge-block))
         (item (and block (lanebridge-block-item block)))
         (title (and item (lanebridge-render-bare-title item)))
         (named (and title (string-match "\\`\\(.+?\\)\\(?::\\([0-9]+\\).*\\)?\\'" title)
                     (cons (match-string 1 title) (match-string 2 title))))
         (path (and named (expand-file-name (car named) lanebridge-chat-folder)))
         (line (cdr named)))
    (if (not (and path (file-regular-p path)))
        (message "Lanebridge: no file is named here")
      (find-file-other-window path)
      (when line
        (goto-char (point-min))
        (forward-line (1- (string-to-number line)))))))

(defun lanebridge-chat--asked-p (pos)
  "Whether the line at POS begins something the person said."
  (let ((block (get-text-property pos 'lanebridge-block)))
    (and block (lanebridge-block-item block)
         (equal (lanebridge-item-type (lanebridge-block-item block)) "userMessage")
         (= pos (1+ (lanebridge-block-beg block))))))

(defun lanebridge-chat-next (count)
  "Go to the COUNTth thing you have said after point, at last to the prompt."
  (interactive "p" lanebridge-chat-mode)
  (dotimes (_ (abs count))
    (let ((step (if (< count 0) -1 1)) found)
      (save-excursion
        (while (and (not found) (zerop (forward-line step)) (not (lanebridge-view-in-prompt-p)))
          (when (lanebridge-chat--asked-p (point))
            (setq found (point)))))
      (cond (found (goto-char found))
            ((> step 0) (goto-char (point-max)))))))

(defun lanebridge-chat-previous (count)
  "Go to the COUNTth thing you have said before point."
  (interactive "p" lanebridge-chat-mode)
  (lanebridge-chat-next (- count)))

(let ((map lanebridge-view-map))
  (pcase-dolist (`(,key . ,command)
                 '(("RET" . lanebridge-chat-toggle) ("TAB" . lanebridge-chat-toggle)
                   ("n" . lanebridge-chat-next) ("p" . lanebridge-chat-previous)
                   ("i" . lanebridge-chat-to-prompt) ("o" . lanebridge-chat-visit) ("q" . quit-window)
                   ("R" . lanebridge-retry) ("F" . lanebridge-fork)
                   ("U" . lanebridge-undo-turn) ("C" . lanebridge-continue)
                   ("!" . lanebridge-thread-choose)
                   ("SPC" . scroll-up-command) ("DEL" . scroll-down-command)))
    (define-key map (kbd key) command))
  (define-key map [remap self-insert-command] #'lanebridge-chat-read-only)
  (define-key map [remap yank] #'lanebridge-chat-read-only))

;;;; The mode

(defun lanebridge-chat--copy (beg end &optional delete)
  "The text from BEG to END without what is ours; with DELETE take it away."
  (prog1 (buffer-substring-no-properties beg end)
    (when delete (delete-region beg end))))

(defun lanebridge-chat--left ()
  "The chat's buffer is killed."
  (when lanebridge-view--timer
    (cancel-timer lanebridge-view--timer)))

(define-derived-mode lanebridge-chat-mode nil "Lanebridge"
  "A conversation, and your prompt at its end.

In the prompt:
\\{lanebridge-chat-mode-map}
Above the prompt, where nothing can be written:
\\{lanebridge-view-map}"
  :interactive nil
  (setq-local word-wrap t
              truncate-lines nil
              scroll-conservatively 101
              filter-buffer-substring-function #'lanebridge-chat--copy
              completion-styles '(basic substring flex)
              header-line-format '(:eval (lanebridge-status-header))
              mode-line-buffer-identification '("%b")
              ;; Room for what goes on: the window is narrow.
              mode-line-position nil
              mode-line-modes nil)
  (setq-local completion-at-point-functions '(lanebridge-chat--complete))
  (setq buffer-display-table (make-display-table))
  (set-display-table-slot buffer-display-table 'selective-display
                          (vector (make-glyph-code ?\s) (make-glyph-code ?▸ 'lanebridge-dim)))
  (add-to-invisibility-spec 'lanebridge-mark)
  (add-to-invisibility-spec '(lanebridge-fold . t))
  (add-hook 'after-change-functions #'lanebridge-chat-decorate nil t)
  (add-hook 'window-size-change-functions #'lanebridge-chat--resized nil t)
  (add-hook 'kill-buffer-hook #'lanebridge-chat--left nil t))

(defun lanebridge-chat--resized (window)
  "WINDOW, which shows a chat, has another size."
  (with-current-buffer (window-buffer window)
    (lanebridge-chat-decorate)))

;;;; What happens

(defun lanebridge-chat--on-state (event thread turn item)
  "Show EVENT of THREAD, TURN, ITEM in the chats."
  (pcase event
    ((or 'server 'asked 'connection)
     (dolist (buffer (lanebridge-chat-buffers))
       (with-current-buffer buffer (lanebridge-chat-decorate))))
    ('distrusted
     (dolist (buffer (lanebridge-chat-buffers))
       (lanebridge-chat--give-back buffer (buffer-local-value 'lanebridge-chat--held buffer))
       (with-current-buffer buffer (setq lanebridge-chat--held nil))))
    (_
     (let ((buffer (and thread (lanebridge-chat-of thread))))
       (when buffer
         (with-current-buffer buffer
           (if (eq event 'history)
               (lanebridge-view-rebuild)
             (lanebridge-view-update event turn item))
           (when (eq event 'started)
             (setq lanebridge-chat--held nil))
           (unless (eq event 'delta)
             (lanebridge-chat-decorate))))))))

(add-hook 'lanebridge-state-functions #'lanebridge-chat--on-state)

(provide 'lanebridge-chat)
;;; lanebridge-chat.el ends here
